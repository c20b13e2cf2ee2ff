"""Encoders of texts by name: the embedded one, a function, sentence-transformers, a server."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from resift.errors import InputError
from resift.retrieval.encoding import Prompts, TextEncoder, chosen_prompts, known_prompts, read_options
from resift.retrieval.protocols import Encoder
from resift.text.inputs import positive

Function: TypeAlias = Callable[[list[str]], Any]
"""Texts to anything that numpy makes [n, dimension] of: an array, a list of lists, a tensor on the CPU."""

_SENTENCE_TRANSFORMERS = "sentence-transformers:"
_FORMS = (
    "'resift', the folder of an Embedder, 'sentence-transformers:NAME', 'http://HOST/v1/embeddings#MODEL', a function "
    "of texts, or an encoder"
)


class FunctionEncoder(TextEncoder):
    """An encoder on top of a function of texts: a model of your own, or any library's.

    >>> import numpy as np
    >>> encoder = FunctionEncoder(lambda texts: [[len(text), 1.0] for text in texts], name="lengths")
    >>> encoder.encode_documents(["tea", ""]).shape
    (2, 2)
    """

    def __init__(
        self,
        function: Function,
        *,
        name: str | None = None,
        query_function: Function | None = None,
        query_prefix: str = "",
        document_prefix: str = "",
        batch_size: int = 256,
    ) -> None:
        """Nothing is called before the first text.

        Args:
            function: texts -> [n, dimension].
            name: what the vectors depend on, to tell one model's index from another's; the function's own by default.
            query_function: for queries, where they have one of their own.
            query_prefix: put before each query, as "query: " for E5.
            document_prefix: put before each document, as "passage: " for E5.
            batch_size: texts of one call.
        """
        own = getattr(function, "__qualname__", type(function).__qualname__)
        super().__init__(f"function:{own}" if name is None else name, Prompts(query_prefix, document_prefix), None)
        self._function = function
        self._query_function = function if query_function is None else query_function
        self._batch_size = positive("batch_size", batch_size, 1)

    def _vectors(self, texts: list[str], *, queries: bool) -> Any:
        function = self._query_function if queries else self._function
        parts = [texts[at : at + self._batch_size] for at in range(0, len(texts), self._batch_size)]
        arrays = [np.asarray(function(part)) for part in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


class SentenceTransformerEncoder(TextEncoder):
    """A model of sentence-transformers, which you install yourself: it brings torch.

    Queries and documents get the prompts of the model's own configuration; where it has none, those on the cards of
    known models (E5, BGE ...), or yours.
    """

    def __init__(
        self,
        model: str | Path | Any,
        *,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        dimensions: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        """Load the model. Raises InputError when sentence-transformers is not installed.

        Args:
            model: name on the hub, folder, or a loaded SentenceTransformer.
            query_prefix: put before each query; with None for both, the model's own prompts.
            document_prefix: put before each document.
            dimensions: numbers to keep of each vector, for models trained for it.
            device: as in torch.
            batch_size: texts of one pass.
        """
        loaded = _load(model, device) if isinstance(model, str | Path) else model
        given = str(model) if isinstance(model, str | Path) else str(loaded.model_card_data.base_model or "given")
        name = Path(given).name if Path(given).is_dir() else given
        own = {kind: text for kind, text in loaded.prompts.items() if text}
        prompts = chosen_prompts(query_prefix, document_prefix, Prompts() if own else known_prompts(given))
        cut = None if dimensions is None else positive("dimensions", dimensions, 1)
        tail = "" if cut is None else f"@{cut}"
        super().__init__(f"{_SENTENCE_TRANSFORMERS}{name}{tail}", prompts, None)
        self._model = loaded
        self._own_prompts = query_prefix is None and document_prefix is None
        self._options = {
            "batch_size": positive("batch_size", batch_size, 1),
            "show_progress_bar": False,
            "convert_to_numpy": True,
        }
        self._cut = cut
        self._lock = threading.Lock()  # its tokenizer is not for two threads at a time

    def _vectors(self, texts: list[str], *, queries: bool) -> Any:
        with self._lock:
            if not self._own_prompts or not hasattr(self._model, "encode_query"):
                # prompt="" keeps a default prompt of the model away from texts that have their prefix.
                vectors = self._model.encode(texts, prompt="", **self._options)
            elif queries:
                vectors = self._model.encode_query(texts, **self._options)
            else:
                vectors = self._model.encode_document(texts, **self._options)
        return np.asarray(vectors)[:, : self._cut]


def as_encoder(spec: str | Path | Encoder | Callable[..., Any] | None, *, api_key: str | None = None) -> Encoder:
    """Return the encoder that a text names, or make one of what is given.

    | spec | encoder |
    |---|---|
    | None, `"resift"` | the embedded `Embedder` |
    | a folder | an `Embedder` of that folder |
    | `"sentence-transformers:NAME"` | `SentenceTransformerEncoder`; NAME is a folder or a name on the hub |
    | `"http://HOST/v1/embeddings#MODEL"`, `"http://HOST/embed"` | `HttpEncoder` |
    | a function of texts, a SentenceTransformer | `FunctionEncoder`, `SentenceTransformerEncoder` |
    | an object with the `Encoder` protocol | itself |

    NAME and MODEL may be followed by options: `?query_prefix=query:%20&document_prefix=passage:%20&dimensions=256`.
    `api_key` is for servers, and ignored by all others. Raises InputError for anything else.
    """
    if spec is None or isinstance(spec, str | Path):
        return _named(spec, api_key)
    if hasattr(spec, "encode_queries") and hasattr(spec, "encode_documents"):
        return cast("Encoder", spec)
    if hasattr(spec, "encode") and hasattr(spec, "prompts"):
        return SentenceTransformerEncoder(spec)
    if callable(spec):
        return FunctionEncoder(spec)
    raise InputError(f"encoder is {type(spec).__name__}, expected {_FORMS}")


def _named(spec: str | Path | None, api_key: str | None) -> Encoder:
    text = "resift" if spec is None else str(spec)
    if text.startswith(_SENTENCE_TRANSFORMERS):
        name, options = read_options(text.removeprefix(_SENTENCE_TRANSFORMERS))
        return SentenceTransformerEncoder(name, **options)
    if text.startswith(("http://", "https://")):
        from resift.retrieval.http_encoder import HttpEncoder

        return HttpEncoder(text, api_key=api_key)
    from resift.embedding.embedder import Embedder

    if text == "resift":
        return Embedder()
    folder = Path(text).expanduser()
    if (folder / "modules.json").is_file():
        raise InputError(
            f"{folder} is a model of sentence-transformers", hint=f"name it {_SENTENCE_TRANSFORMERS}{folder}"
        )
    if not folder.is_dir():
        raise InputError(f"encoder is {text!r}, expected {_FORMS}")
    return Embedder(folder)


def _load(model: str | Path, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise InputError(
            f"the encoder '{_SENTENCE_TRANSFORMERS}{model}' needs sentence-transformers, which is not installed",
            hint="pip install sentence-transformers",
        ) from None
    try:
        return SentenceTransformer(str(model), device=device)
    except (OSError, ValueError) as error:
        raise InputError(f"sentence-transformers cannot load {str(model)!r}: {error}") from error

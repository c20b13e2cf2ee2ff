"""`CrossEncoder` in the shape of sentence-transformers, on our engine: argument translation only."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from resift.closing import Closing
from resift.compat.devices import tell_absent
from resift.compat.pairs import Pairs, as_list
from resift.compat.settings import Settings, read_settings
from resift.errors import InputError, ResiftWarning
from resift.reranker import Reranker
from resift.scoring import sigmoid
from resift.types import Float32

_Activation: TypeAlias = Callable[[Float32], Float32]
_FOREIGN_BACKENDS = ("torch", "onnx", "openvino")


class CrossEncoder(Closing):
    """The calls of sentence-transformers' `CrossEncoder` for one-label models.

    Truncates `longest_first` at the model's own limit and returns sigmoids, or what the model's files name
    instead, as sentence-transformers does.

    >>> CrossEncoder().predict(("what is a panda?", "The giant panda is a bear.")).shape
    ()
    """

    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        *,
        max_length: int | None = None,
        device: str | None = None,
        activation_fn: _Activation | None = None,
        num_labels: int | None = None,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        trust_remote_code: bool = False,
        backend: str | None = None,
    ) -> None:
        """Load a model; None is the embedded one.

        A device that is not here, `trust_remote_code` and the backends of sentence-transformers (`torch`,
        `onnx`, `openvino`) are replaced by what resift has, with a ResiftWarning. `backend` may also be one of
        `Reranker`'s. `max_length` None is the tokenizer's `model_max_length`, or the model's limit where that is
        lower. Raises InputError for `num_labels` above 1.
        """
        if num_labels not in (None, 1):
            raise InputError(f"num_labels is {num_labels}: resift scores with one label", hint="leave it out")
        also = [f"the backend is resift's own, not {backend!r}"] if backend in _FOREIGN_BACKENDS else []
        tell_absent(device, also=also, stacklevel=3)
        if trust_remote_code:
            warnings.warn("trust_remote_code: resift runs no code from models", ResiftWarning, stacklevel=2)
        reranker = Reranker(
            model_name_or_path,
            revision=revision,
            cache_dir=cache_folder,
            truncation="longest_first",
            backend=None if backend in _FOREIGN_BACKENDS else backend,
        )
        settings = read_settings(reranker.folder)
        if max_length is None:
            limit = reranker.spec.max_length
            max_length = limit if settings.max_length is None else min(settings.max_length, limit)
        self._reranker = reranker.with_options(max_length=max_length)
        self._activation = _own(settings) if activation_fn is None else _translated(activation_fn)

    def predict(
        self,
        inputs: Pairs,
        batch_size: int = 32,  # noqa: ARG002 - scores do not depend on it, and memory is bounded anyway
        *,
        show_progress_bar: bool | None = None,
        activation_fn: _Activation | None = None,
        apply_softmax: bool = False,  # noqa: ARG002 - one label: sentence-transformers leaves the score as it is too
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Float32 | np.float32 | list[np.float32]:
        """Return the scores of a list of pairs, float32 [n]; of one pair, a scalar.

        Args:
            inputs: one pair of texts, or a list of pairs.
            batch_size: accepted for compatibility.
            show_progress_bar: show a bar on stderr.
            activation_fn: what the raw logits, float32 [n], go through: a function of arrays, or torch's
                `Identity()` or `Sigmoid()`; None for the one of the constructor.
            apply_softmax: accepted for compatibility; it changes nothing for models with one label.
            convert_to_numpy: False returns a list.
            convert_to_tensor: not supported, as resift does without torch: raises InputError.
        """
        if convert_to_tensor:
            raise InputError("convert_to_tensor=True needs torch", hint="use torch.from_numpy(model.predict(pairs))")
        pairs, single = as_list(inputs)
        activation = self._activation if activation_fn is None else _translated(activation_fn)
        view = self._reranker.with_options(progress=bool(show_progress_bar))
        scores = activation(view.score(pairs))
        if single:
            return np.float32(scores[0])
        return scores if convert_to_numpy else list(scores)

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: _Activation | None = None,
    ) -> list[dict[str, int | float | str]]:
        """Return `[{"corpus_id", "score", "text"?}]`, best first, at most `top_k` of them."""
        texts = list(documents)
        scores = self.predict(
            [(query, text) for text in texts],
            batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
        )
        values = np.asarray(scores, dtype=np.float32).tolist()
        order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:top_k]
        return [{"corpus_id": i, "score": values[i], **({"text": texts[i]} if return_documents else {})} for i in order]

    def close(self) -> None:
        """Release the model's memory."""
        self._reranker.close()


def _identity(logits: Float32) -> Float32:
    return logits


def _sigmoid(logits: Float32) -> Float32:
    return np.array([sigmoid(logit) for logit in logits.tolist()], dtype=np.float32)


_BY_NAME: Mapping[str, _Activation] = {"Identity": _identity, "Sigmoid": _sigmoid}


def _own(settings: Settings) -> _Activation:
    """Return the activation that the model's files name; the sigmoid where they name none or another one."""
    if settings.activation is None:
        return _sigmoid
    name = settings.activation.rpartition(".")[2]
    if name not in _BY_NAME:
        warnings.warn(
            f"the model names the activation {settings.activation!r}: using the sigmoid", ResiftWarning, stacklevel=3
        )
    return _BY_NAME.get(name, _sigmoid)


def _translated(activation: _Activation) -> _Activation:
    """Return a function of arrays: torch's modules, which know tensors alone, are told by their names."""
    kind = type(activation)
    if not kind.__module__.startswith("torch."):
        return activation
    if kind.__name__ not in _BY_NAME:
        raise InputError(
            f"activation_fn is torch's {kind.__name__}, expected Identity, Sigmoid or a function of numpy arrays"
        )
    return _BY_NAME[kind.__name__]

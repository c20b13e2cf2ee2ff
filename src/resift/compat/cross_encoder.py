"""`CrossEncoder` in the shape of sentence-transformers, on our engine: argument translation only."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from resift.compat.pairs import Pairs, as_list
from resift.errors import InputError
from resift.reranker import Reranker
from resift.scoring import sigmoid
from resift.types import Float32

_Activation: TypeAlias = Callable[[Float32], Float32]


class CrossEncoder:
    """The calls of sentence-transformers' `CrossEncoder` for one-label models.

    Truncates `longest_first` at the model's own limit and returns sigmoids, as sentence-transformers does.

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
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        """Load a model; None is the embedded one. Raises InputError for `trust_remote_code=True`."""
        if trust_remote_code:
            raise InputError("trust_remote_code=True: resift runs no code from models", hint="leave it out")
        reranker = Reranker(
            model_name_or_path,
            device=device,
            revision=revision,
            cache_dir=cache_folder,
            truncation="longest_first",
        )
        self._reranker = reranker.with_options(
            max_length=max_length if max_length is not None else reranker.spec.max_length
        )
        self._activation = activation_fn

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
            activation_fn: what the raw logits, float32 [n], go through; None for the sigmoid.
            apply_softmax: accepted for compatibility; it changes nothing for models with one label.
            convert_to_numpy: False returns a list.
            convert_to_tensor: not supported, as resift does without torch: raises InputError.
        """
        if convert_to_tensor:
            raise InputError("convert_to_tensor=True needs torch", hint="use torch.from_numpy(model.predict(pairs))")
        pairs, single = as_list(inputs)
        activation = next((f for f in (activation_fn, self._activation) if f is not None), _sigmoid)
        view = self._reranker.with_options(progress=bool(show_progress_bar))
        scores = activation(view.score(pairs))
        if single:
            return np.float32(scores[0])
        return scores if convert_to_numpy else list(scores)

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: _Activation | None = None,
    ) -> list[dict[str, int | float | str]]:
        """Return `[{"corpus_id", "score", "text"?}]`, best first, at most `top_k` of them."""
        scores = self.predict(
            [(query, document) for document in documents],
            batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
        )
        values = np.asarray(scores, dtype=np.float32).tolist()
        order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:top_k]
        return [
            {"corpus_id": i, "score": values[i], **({"text": documents[i]} if return_documents else {})} for i in order
        ]

    def close(self) -> None:
        """Release the model's memory."""
        self._reranker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sigmoid(logits: Float32) -> Float32:
    return np.array([sigmoid(logit) for logit in logits.tolist()], dtype=np.float32)

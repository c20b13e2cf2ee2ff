"""Token sequences in, logits out: plan batches, run them on a backend, put the results in order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from resift.engine.plan import plan
from resift.errors import EngineClosed, ModelError
from resift.types import Float32, PackedBatch, Precision, TokenSequence


class Backend(Protocol):
    """What runs a packed batch. Its logits must not depend on how sequences are packed."""

    @property
    def name(self) -> str:
        """`native`, `reference` ..."""

    @property
    def precision(self) -> Precision:
        """Precision of the matrix products."""

    @property
    def kernel(self) -> str:
        """The code path that was chosen for this machine."""

    def forward(self, batch: PackedBatch) -> Float32:
        """Return the logit of each sequence, float32 [n]. Safe from many threads."""

    def close(self) -> None:
        """Release the weights."""


class Engine:
    """Score token sequences on a backend, in batches of at most `max_batch_tokens` tokens.

    A sequence longer than the budget runs alone. Nothing changes after construction but `close()`.
    """

    def __init__(self, backend: Backend, *, max_batch_tokens: int) -> None:
        self._backend: Backend | None = backend
        self._max_batch_tokens = max_batch_tokens

    @property
    def max_batch_tokens(self) -> int:
        """Tokens of the largest batch, unless a sequence alone has more."""
        return self._max_batch_tokens

    def score(
        self, sequences: Sequence[TokenSequence], *, on_scored: Callable[[Sequence[int]], None] | None = None
    ) -> Float32:
        """Return the logits with their priors, float32 [n], in input order.

        `on_scored` is called after each batch with the places of its sequences in the input. Raises
        EngineClosed after `close()`, ModelError when a logit is not finite.
        """
        backend = self._backend
        if backend is None:
            raise EngineClosed("this reranker was closed", hint="make a new one, or score inside its `with` block")
        logits = np.empty(len(sequences), dtype=np.float32)
        for places, batch in self._batches(sequences):
            priors = np.array([sequences[i].prior for i in places], dtype=np.float32)
            logits[places] = backend.forward(batch) + priors
            if not np.isfinite(logits[places]).all():
                raise ModelError(
                    "the model gave a score that is not a number", hint="its weights are broken: fetch it again"
                )
            if on_scored is not None:
                on_scored(places)
        return logits

    def close(self) -> None:
        """Release the weights; scoring afterwards raises EngineClosed. A second call does nothing."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def _batches(self, sequences: Sequence[TokenSequence]) -> Iterator[tuple[list[int], PackedBatch]]:
        lengths = [len(sequence.ids) for sequence in sequences]
        for places in plan(lengths, self._max_batch_tokens):
            yield places, pack([sequences[i] for i in places])


def pack(sequences: Sequence[TokenSequence]) -> PackedBatch:
    """Lay sequences end to end; `types` stays None when none of them has any."""
    offsets = np.zeros(len(sequences) + 1, dtype=np.int64)
    np.cumsum([len(s.ids) for s in sequences], out=offsets[1:])
    types = None
    if any(s.types is not None for s in sequences):
        types = np.concatenate([s.types if s.types is not None else np.zeros_like(s.ids) for s in sequences])
    return PackedBatch(np.concatenate([s.ids for s in sequences]), offsets, types)

"""What goes into each linear of a model, seen on real texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from resift.engine.backends.reference import ReferenceBackend
from resift.loading.checkpoint import Checkpoint
from resift.loading.quantised import to_float32
from resift.types import Float32, TokenSequence

_ROWS = 96
"""Inputs kept for each linear: enough to measure its error, little to hold."""


@dataclass(slots=True)
class Inputs:
    """The inputs of one linear.

    Attributes:
        count: tokens seen.
        total: their sum by channel, float64 [inputs].
        low, high: the least and the largest value by channel, float32 [inputs].
        rows: some of them as they came, each [inputs].
    """

    count: int
    total: np.ndarray
    low: Float32
    high: Float32
    rows: list[Float32] = field(default_factory=list)

    @property
    def mean(self) -> Float32:
        """The mean by channel, float32 [inputs]."""
        return (self.total / self.count).astype(np.float32)

    @property
    def sample(self) -> Float32:
        """The kept inputs, float32 [rows, inputs]."""
        return np.stack(self.rows)


def gather_inputs(
    checkpoint: Checkpoint, sequences: Sequence[TokenSequence], *, on_layer: Callable[[int, int], None]
) -> dict[str, Inputs]:
    """Run the sequences through the model in full precision and return what each linear of the layers gets.

    Layer by layer, so that only one is held in float32. `on_layer` is called with (layers done, layers in all).
    """
    seen: dict[str, Inputs] = {}
    share = -(-_ROWS // max(len(sequences), 1))

    def look(name: str, x: Float32) -> None:
        low, high, total = x.min(axis=0), x.max(axis=0), x.sum(axis=0, dtype=np.float64)
        if name in seen:
            known = seen[name]
            known.count += len(x)
            known.total += total
            np.minimum(known.low, low, out=known.low)
            np.maximum(known.high, high, out=known.high)
        else:
            seen[name] = known = Inputs(len(x), total, low, high)
        if len(known.rows) < _ROWS:
            spread = np.unique(np.linspace(0, len(x) - 1, share).astype(int))
            known.rows.extend(x[i].copy() for i in spread)

    spec, tensors = checkpoint.spec, checkpoint.tensors
    start = ReferenceBackend(spec, tensors)
    states = [start.embed(s.ids, s.types if s.types is not None else np.zeros_like(s.ids)) for s in sequences]
    for i in range(spec.layers):
        own = {name: to_float32(array) for name, array in tensors.items() if name.startswith(f"layers.{i}.")}
        backend = ReferenceBackend(spec, own, on_input=look)
        last = i == spec.layers - 1
        states = [backend.layer(x, f"layers.{i}", rows=1 if last else len(x)) for x in states]
        on_layer(i + 1, spec.layers)
    return seen

import numpy as np
import pytest

from resift.engine.engine import Engine, pack
from resift.errors import EngineClosed, ModelError
from resift.types import Float32, PackedBatch, Precision, TokenSequence


class SumBackend:
    """A logit is the sum of a sequence's ids and types."""

    name = "sum"
    precision: Precision = "fp32"
    kernel = "none"

    def __init__(self) -> None:
        self.batches: list[PackedBatch] = []
        self.closed = 0

    def forward(self, batch: PackedBatch) -> Float32:
        self.batches.append(batch)
        values = batch.ids if batch.types is None else batch.ids + batch.types
        return np.add.reduceat(values, batch.offsets[:-1]).astype(np.float32)

    def close(self) -> None:
        self.closed += 1


def sequence(*ids: int, prior: float = 0.0, types: list[int] | None = None) -> TokenSequence:
    return TokenSequence(np.array(ids, np.int32), None if types is None else np.array(types, np.int32), prior)


def test_results_come_back_in_input_order_with_priors() -> None:
    backend = SumBackend()
    sequences = [sequence(1), sequence(1, 2, 3, prior=0.5), sequence(4, 4), sequence(9, prior=-1)]
    scored: list[int] = []
    logits = Engine(backend, max_batch_tokens=3).score(sequences, on_scored=scored.extend)
    assert logits.dtype == np.float32
    assert logits.tolist() == [1, 6.5, 8, 8]
    assert sorted(scored) == [0, 1, 2, 3]
    assert all(len(batch.ids) <= 3 for batch in backend.batches)


def test_no_sequences() -> None:
    assert Engine(SumBackend(), max_batch_tokens=3).score([]).shape == (0,)


def test_types_of_some_sequences() -> None:
    batch = pack([sequence(1, 2), sequence(3, types=[7])])
    assert batch.ids.tolist() == [1, 2, 3]
    assert batch.offsets.tolist() == [0, 2, 3]
    assert batch.types is not None and batch.types.tolist() == [0, 0, 7]
    assert pack([sequence(1, 2)]).types is None


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_an_error(broken: float) -> None:
    with pytest.raises(ModelError, match="not a number"):
        Engine(SumBackend(), max_batch_tokens=3).score([sequence(1, prior=broken)])


def test_closed() -> None:
    backend = SumBackend()
    engine = Engine(backend, max_batch_tokens=3)
    engine.close()
    engine.close()
    assert backend.closed == 1
    with pytest.raises(EngineClosed):
        engine.score([sequence(1)])

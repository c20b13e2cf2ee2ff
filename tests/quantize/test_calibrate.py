"""What goes into each linear is what the reference computes."""

from pathlib import Path

import numpy as np

from resift.engine.backends.reference import ReferenceBackend
from resift.engine.engine import pack
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate
from resift.quantize.calibrate import gather_inputs
from resift.types import Float32, TokenSequence


def test_inputs_of_all_sequences(checkpoints: dict[str, Path]) -> None:
    checkpoint = load_checkpoint(locate(checkpoints["bert"]))
    rng = np.random.default_rng(0)
    sequences = [TokenSequence(rng.integers(5, 400, length).astype(np.int32)) for length in (3, 20, 40)]
    sequences.append(TokenSequence(sequences[2].ids, np.ones(40, np.int32)))
    expected: dict[str, list[Float32]] = {}
    backend = ReferenceBackend(
        checkpoint.spec, checkpoint.tensors, on_input=lambda name, x: expected.setdefault(name, []).append(x)
    )
    for sequence in sequences:
        backend.forward(pack([sequence]))

    done: list[tuple[int, int]] = []
    found = gather_inputs(checkpoint, sequences, on_layer=lambda layer, layers: done.append((layer, layers)))
    assert done == [(1, 2), (2, 2)]
    assert set(found) == {name for name in expected if name.startswith("layers.")}
    for name, inputs in found.items():
        x = np.concatenate(expected[name])
        assert inputs.count == len(x)
        np.testing.assert_allclose(inputs.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(inputs.low, x.min(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(inputs.high, x.max(axis=0), rtol=1e-4, atol=1e-6)
        assert 4 <= len(inputs.sample) <= 150
        # Every kept row is one of the inputs.
        assert (np.abs(inputs.sample[:, None] - x[None]).max(axis=-1).min(axis=1) < 1e-4).all()

"""The oracle on quantised tensors: it equals float64 arithmetic on the weights that they stand for."""

import numpy as np
import pytest

from resift.engine.backends.reference import ReferenceBackend, linear
from resift.loading.quantised import TABLES, from_groups, from_panels, round_rows, to_bf16, to_float32
from resift.quantize.linears import bf16_tensors, int8_tensors, matrix
from resift.quantize.tables import round_table
from resift.types import ModelSpec, PackedBatch
from tests.native.models import make_batch, make_spec, make_tensors

SHAPE = make_spec(hidden=72, heads=3, ffn=100)
SPEC = ModelSpec(family="bert", cls_id=3, sep_id=4, separators=1, document_type=1, **SHAPE)
LINEARS = [
    f"layers.{i}.{part}"
    for i in range(SPEC.layers)
    for part in ("attention.query", "attention.key_value", "attention.output", "ffn.up", "ffn.down")
]


def named(name: str, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.{part}": values for part, values in parts.items()}


def without_linears(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in tensors.items() if not name.startswith("layers.") or ".norm." in name}


@pytest.mark.parametrize("vectors", ["none", "smooth", "shift", "both"])
def test_int8_is_the_formula(vectors: str) -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.standard_normal((50, 70)).astype(np.float32), rng.standard_normal(50).astype(np.float32)
    x = rng.standard_normal((9, 70)).astype(np.float32)
    x[4] = 0
    smooth = rng.uniform(0.5, 2, 70).astype(np.float32) if vectors in ("smooth", "both") else None
    shift = rng.standard_normal(70).astype(np.float32) if vectors in ("shift", "both") else None
    tensors = named("x", int8_tensors(weights, bias, smooth=smooth, shift=shift))
    y = x if shift is None else x - shift
    y = y if smooth is None else y * smooth
    factor = np.divide(
        np.float32(127),
        np.abs(y).max(1, keepdims=True),
        where=y.any(1, keepdims=True),
        out=np.zeros((9, 1), np.float32),
    )
    tokens = np.rint(y * factor).astype(np.int64)
    stored = from_panels(tensors["x.weight_int8"], 50, 70).astype(np.int64)
    assert np.array_equal(stored.sum(1), tensors["x.sums"])
    scale = np.abs(y).max(1, keepdims=True) / 127 * tensors["x.scale"]
    expected = (tokens @ stored.T) * scale.astype(np.float64) + tensors["x.bias"]
    np.testing.assert_allclose(linear(tensors, "x", x), expected, rtol=1e-5, atol=1e-5)
    # and it is near the linear itself: 70 products with errors of half a step
    exact = x.astype(np.float64) @ weights.T.astype(np.float64) + bias
    assert np.abs(expected - exact).max() < 0.03 * np.abs(exact).max()


def test_bf16_weights_and_stacked_key_and_value() -> None:
    """A model whose weights are bfloat16 numbers scores the same in panels as plain."""
    plain = make_tensors(SHAPE)
    plain = {
        name: to_float32(to_bf16(values)) if name.endswith("weight") and values.ndim == 2 else values
        for name, values in plain.items()
    }
    stored = without_linears(plain)
    for name in LINEARS:
        stored |= named(name, bf16_tensors(*matrix(plain, name)))
    batch = PackedBatch(*make_batch(SHAPE, [1, 5, 40]))
    expected = ReferenceBackend(SPEC, plain).forward(batch)
    found = ReferenceBackend(SPEC, stored, precision="bf16")
    assert found.precision == "bf16"
    np.testing.assert_allclose(found.forward(batch), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("form", ["int8", "int4"])
def test_tables(form: str) -> None:
    """A quantised table is the table of the numbers that it stands for."""
    plain = make_tensors(SHAPE)
    stored = dict(plain)
    for table in TABLES[:2]:
        values = stored.pop(table)
        ((_, rounded, scale),) = round_table(values, np.arange(len(values)), form, 3)
        stored |= {f"{table}.{form}": rounded, f"{table}.scale": scale}
        if form == "int8":
            plain[table] = from_groups(rounded, scale)
        else:
            both = np.stack([rounded & 15, rounded >> 4], axis=-1).reshape(len(rounded), -1).astype(np.int8) - 8
            plain[table] = from_groups(both.astype(np.int8), scale)
    batch = PackedBatch(*make_batch(SHAPE, [2, 30]))
    found, expected = (ReferenceBackend(SPEC, tensors).forward(batch) for tensors in (stored, plain))
    assert found.tolist() == expected.tolist()


def test_inputs_can_be_watched() -> None:
    seen: dict[str, tuple[int, ...]] = {}
    tensors = make_tensors(SHAPE)
    watched = ReferenceBackend(SPEC, tensors, on_input=lambda name, x: seen.update({name: x.shape}))
    watched.forward(PackedBatch(*make_batch(SHAPE, [7])))
    assert seen["layers.0.ffn.down"] == (7, 100)
    assert seen["layers.1.attention.key"] == (7, 72)
    assert seen["layers.1.attention.query"] == (1, 72)  # the last layer computes one row


def test_rounding_a_row_of_zeros() -> None:
    rounded, scale = round_rows(np.zeros((2, 3), np.float32))
    assert not rounded.any()
    assert not scale.any()

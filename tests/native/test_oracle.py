"""Every kernel against the encoder in float64."""

import functools

import numpy as np
import pytest

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors, oracle

KERNELS = _native.available_kernels()
RAGGED = [1, 2, 3, 7, 17, 64, 129, 513]

# Logits here are of size 1. Float32 sums over up to 4096 products leave errors near 1e-6; a wrong term leaves 1e-2.
TOLERANCE = 2e-5


@functools.cache
def case(fields, lengths, dtype):
    """Weights, a batch and its true logits: made once for all kernels."""
    spec = dict(fields)
    tensors, batch = make_tensors(spec, seed=1, dtype=dtype), make_batch(spec, lengths, seed=2)
    return tensors, batch, oracle(spec, tensors, batch)


def check(spec, *, kernel, lengths=RAGGED, dtype="float32"):
    tensors, batch, expected = case(tuple(spec.items()), tuple(lengths), dtype)
    encoder = _native.Encoder(spec, tensors, threads=2, kernel=kernel)
    assert encoder.kernel == kernel
    logits = encoder.forward(*batch)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_activations_and_weight_types(kernel, activation, dtype):
    check(make_spec(activation=activation), kernel=kernel, dtype=dtype, lengths=RAGGED[:-1])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("hidden", "heads", "ffn"),
    [
        (32, 1, 64),
        (64, 2, 256),  # heads of 32
        (128, 2, 512),  # heads of 64
        (96, 12, 200),  # heads of 8
        (33, 3, 50),  # nothing divides anything
        (300, 1, 700),  # one head wider than a block of the kernels
        (384, 12, 1536),
    ],
)
def test_shapes(kernel, hidden, heads, ffn):
    check(make_spec(hidden=hidden, heads=heads, ffn=ffn), kernel=kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_large_layer(kernel):
    check(make_spec(hidden=1024, heads=16, ffn=4096, layers=1), kernel=kernel, lengths=[1, 7, 40])


@pytest.mark.parametrize("kernel", KERNELS)
def test_long_sequence(kernel):
    # Longer than a chunk of rows, than a block of scores, and than the length at which query blocks shrink.
    check(make_spec(positions=2302, layers=2, hidden=32, heads=1, ffn=32), kernel=kernel, lengths=[2300, 5])


@pytest.mark.parametrize("kernel", KERNELS)
def test_one_layer_and_no_offset(kernel):
    check(make_spec(layers=1, position_offset=0, types=1), kernel=kernel, lengths=[600, 1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_peaked_attention_is_stable(kernel):
    # Scores of several hundred: exp of one of them alone would be infinite.
    spec = make_spec()
    tensors = make_tensors(spec, seed=1)
    tensors["layers.0.attention.query.weight"] *= 300
    batch = make_batch(spec, [1, 40, 129], seed=2)
    logits = _native.Encoder(spec, tensors, threads=1, kernel=kernel).forward(*batch)
    np.testing.assert_allclose(logits, oracle(spec, tensors, batch), rtol=0, atol=1e-3)


def test_types_may_be_left_out():
    spec = make_spec()
    encoder = _native.Encoder(spec, make_tensors(spec), threads=1)
    batch = make_batch(spec, [3, 9], types=False)
    zeros = encoder.forward(batch.ids, batch.offsets, np.zeros_like(batch.ids))
    assert encoder.forward(*batch).tobytes() == zeros.tobytes()


def test_empty_batch():
    spec = make_spec()
    encoder = _native.Encoder(spec, make_tensors(spec), threads=1)
    logits = encoder.forward(np.empty(0, np.int32), np.zeros(1, np.int64), None)
    assert logits.shape == (0,)
    assert logits.dtype == np.float32


def test_unusual_floats_of_the_weights():
    """Float16 and bfloat16 are widened exactly: subnormal numbers, the largest ones, infinities."""
    halves = np.array([0x0001, 0x03FF, 0x0400, 0x7BFF, 0x8001, 0x8000, 0xFBFF, 0x3C00], np.uint16)
    spec = make_spec(hidden=8, heads=1, ffn=8, vocab=1, types=1, layers=1)
    for dtype, bits in (("float16", halves.view(np.float16)), ("bfloat16", halves)):
        tensors = make_tensors(spec, dtype=dtype)
        tensors["embeddings.word"] = bits.reshape(1, 8).copy()
        same = dict(tensors)
        wide = bits.astype(np.float32) if dtype == "float16" else (bits.astype(np.uint32) << 16).view(np.float32)
        same["embeddings.word"] = wide.reshape(1, 8)
        batch = (np.zeros(3, np.int32), np.array([0, 3]), None)
        for kernel in KERNELS:
            ours, theirs = (_native.Encoder(spec, t, kernel=kernel).forward(*batch) for t in (tensors, same))
            assert ours.tobytes() == theirs.tobytes()

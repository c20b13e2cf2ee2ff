"""Whatever is wrong with a spec, a tensor or a batch is said, and nothing is read out of bounds."""

import re

import numpy as np
import pytest

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors

SPEC = make_spec()


@pytest.fixture(scope="module", params=["fp32", "bf16", "int8"])
def encoder(request):
    return _native.Encoder(SPEC, make_tensors(SPEC), threads=2, precision=request.param)


def ints(*values):
    return np.array(values, np.int32)


def longs(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("ids", "offsets", "types", "message"),
    [
        (ints(1, 2, 97), longs(0, 3), None, "ids[2] is 97, expected 0 to 96"),
        (ints(-1), longs(0, 1), None, "ids[0] is -1, expected 0 to 96"),
        (ints(1, 2), longs(0, 2), ints(0, 2), "types[1] is 2, expected 0 to 1"),
        (ints(1, 2), longs(0, 2), ints(0), "there are 1 types for 2 ids"),
        (ints(1, 2), longs(0, 1), None, "the last offset is 1, but there are 2 ids"),
        (ints(1, 2), longs(0, 3), None, "the last offset is 3, but there are 2 ids"),
        (ints(1, 2), longs(1, 2), None, "offsets[0] is 1, expected 0"),
        (ints(1, 2), longs(-1, 2), None, "offsets[0] is -1, expected 0"),
        (ints(1, 2), longs(0, 2, 1), None, "offsets must not fall: offsets[2] is 1 after 2"),
        (ints(1, 2), longs(0, -(2**63)), None, "offsets must not fall"),
        (ints(1, 2), longs(0, 2**63 - 1), None, "the model holds at most 598"),
        (ints(1, 2), longs(0, 1, 1, 2), None, "sequence 1 is empty"),
        (ints(), longs(0, 0), None, "sequence 0 is empty"),
        (ints(), longs(), None, "offsets must have at least one element"),
        (ints(1), longs(0), None, "the last offset is 0, but there are 1 ids"),
        (np.ones(599, np.int32), longs(0, 599), None, "sequence 0 has 599 tokens, the model holds at most 598"),
    ],
)
def test_batches(encoder, ids, offsets, types, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        encoder.forward(ids, offsets, types)


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        (np.zeros(2, np.int64), longs(0, 2)),
        (ints(0, 0), ints(0, 2)),
        (np.zeros(4, np.int32)[::2], longs(0, 2)),
        (np.zeros((1, 2), np.int32), longs(0, 2)),
        (np.zeros(2, np.float32), longs(0, 2)),
        ([1, 2], longs(0, 2)),
    ],
)
def test_arrays_of_another_kind(encoder, ids, offsets):
    with pytest.raises(TypeError):
        encoder.forward(ids, offsets, None)


def test_longest_sequence_is_allowed(encoder):
    assert np.isfinite(encoder.forward(*make_batch(SPEC, [598]))).all()


def test_unknown_mode(encoder):
    with pytest.raises(ValueError, match="mode 'fast' is unknown"):
        encoder.forward(*make_batch(SPEC, [3]), mode="fast")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("heads", 3, "3 heads do not divide a hidden size of 64"),
        ("heads", 0, "heads is 0, expected 1 to"),
        ("layers", 0, "layers is 0"),
        ("layers", 1025, "layers is 1025, expected 1 to 1024"),
        ("hidden", -64, "hidden is -64"),
        ("ffn", 1 << 30, "ffn is 1073741824"),
        ("types", 0, "types is 0"),
        ("position_offset", 600, "position_offset is 600, expected 0 to 599"),
        ("position_offset", -1, "position_offset is -1"),
        ("norm_eps", -1.0, "norm_eps must be between 0 and 1"),
        ("norm_eps", float("nan"), "norm_eps must be between 0 and 1"),
        ("activation", "silu", "activation 'silu' is unknown"),
        ("activation", None, "spec['activation'] has the wrong type"),
        ("vocab", "many", "spec['vocab'] has the wrong type"),
    ],
)
def test_specs(name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _native.Encoder(SPEC | {name: value}, make_tensors(SPEC))


def test_spec_without_a_field():
    with pytest.raises(ValueError, match="spec has no 'ffn'"):
        _native.Encoder({k: v for k, v in SPEC.items() if k != "ffn"}, make_tensors(SPEC))


@pytest.mark.parametrize("name", sorted(make_tensors(SPEC)))
def test_each_tensor_is_needed_in_its_shape(name):
    tensors = make_tensors(SPEC)
    array = tensors.pop(name)
    shape = ", ".join(map(str, array.shape))
    with pytest.raises(ValueError, match=re.escape(f"tensor '{name}' is missing; expected one of shape [{shape}]")):
        _native.Encoder(SPEC, tensors)
    for wrong in (array[:-1], array.reshape(1, *array.shape), np.concatenate([array, array])):
        with pytest.raises(ValueError, match=re.escape(f"tensor '{name}' has shape")):
            _native.Encoder(SPEC, tensors | {name: np.ascontiguousarray(wrong)})


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.int16])
def test_tensors_of_another_type(dtype):
    tensors = make_tensors(SPEC)
    tensors["head.output.weight"] = tensors["head.output.weight"].astype(dtype)
    with pytest.raises(ValueError, match=re.escape("'head.output.weight'")):
        _native.Encoder(SPEC, tensors)


@pytest.mark.parametrize("value", [np.zeros((64, 128), np.float32).T, [0.0], None])
def test_tensors_that_are_no_contiguous_arrays(value):
    with pytest.raises(ValueError, match=re.escape("tensor 'layers.0.ffn.up.weight' must be a C-contiguous array")):
        _native.Encoder(SPEC, make_tensors(SPEC) | {"layers.0.ffn.up.weight": value})


def test_kernel_and_threads():
    with pytest.raises(ValueError, match="kernel 'sse9' is not available on this machine: it has"):
        _native.Encoder(SPEC, make_tensors(SPEC), kernel="sse9")
    for threads in (-1, 1025):
        with pytest.raises(ValueError, match=f"threads is {threads}, expected 0 to 1024"):
            _native.Encoder(SPEC, make_tensors(SPEC), threads=threads)
    assert _native.Encoder(SPEC, make_tensors(SPEC)).threads == _native.default_threads()
    assert _native.Encoder(SPEC, make_tensors(SPEC), threads=3).threads == 3
    assert _native.Encoder(SPEC, make_tensors(SPEC)).kernel == _native.available_kernels()[0]
    assert _native.Encoder(SPEC, make_tensors(SPEC)).packed_bytes > 0


def test_damaged_batches_are_refused_or_scored(encoder):
    """Random changes to a valid batch give logits or a ValueError, nothing else."""
    rng = np.random.default_rng(0)
    refused = 0
    for round_ in range(400):
        batch = make_batch(SPEC, rng.integers(1, 9, 4).tolist(), seed=round_)
        array = batch[rng.integers(0, 3)]
        limits = np.iinfo(array.dtype)
        array[rng.integers(0, len(array))] = rng.choice([-1, 0, 1, 5, 96, 97, limits.min, limits.max])
        try:
            assert encoder.forward(*batch).shape == (4,)
        except ValueError:
            refused += 1
    assert 0 < refused < 400

"""Tensors of a quantised folder that are not what they should be: every error names the tensor."""

import re

import numpy as np
import pytest

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors
from tests.native.precisions import quantised_table, stored

SPEC = make_spec(hidden=72, heads=3, ffn=100)
INT8, BF16 = "layers.0.ffn.up.weight_int8", "layers.0.ffn.up.weight_bf16"
UP = "layers.0.ffn.up"


def folder(precision):
    return stored(SPEC, make_tensors(SPEC), precision)


def refused(tensors, message):
    for precision in ("fp32", "int8"):
        with pytest.raises(ValueError, match=re.escape(message)):
            _native.Encoder(SPEC, tensors, threads=1, precision=precision)


def at_offset(array, offset):
    """The same values, at an address that is `offset` bytes after a multiple of 64."""
    memory = np.zeros(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    moved = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[:] = array
    return moved


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.parametrize("part", ["attention.key_value", "attention.query", "attention.output", "ffn.up", "ffn.down"])
def test_each_part_of_a_linear_is_needed_in_its_shape(precision, part):
    tensors = folder(precision)
    names = [n for n in tensors if n.startswith(f"layers.1.{part}.")]
    assert len(names) == (4 if precision == "int8" else 2)
    for name in names:
        for wrong in (tensors[name][:-1], tensors[name][None], np.concatenate([tensors[name], tensors[name]])):
            refused(tensors | {name: np.ascontiguousarray(wrong)}, f"tensor '{name}' has shape")
        if "weight" not in name:
            refused({n: t for n, t in tensors.items() if n != name}, f"tensor '{name}' is missing")
    weight = next(n for n in names if "weight" in n)
    missing = {n: t for n, t in tensors.items() if n != weight}
    plain = "attention.key" if part == "attention.key_value" else part
    refused(missing, f"tensor 'layers.1.{plain}.weight' is missing")


@pytest.mark.parametrize(
    ("precision", "name", "dtype"),
    [
        ("int8", INT8, np.uint8),
        ("int8", INT8, np.float32),
        ("bf16", BF16, np.float16),
        ("bf16", BF16, np.float32),
        ("int8", f"{UP}.sums", np.float32),
        ("int8", f"{UP}.sums", np.int8),
        ("int8", f"{UP}.scale", np.int32),
        ("int8", f"{UP}.bias", np.uint8),
    ],
)
def test_types(precision, name, dtype):
    tensors = folder(precision)
    refused(tensors | {name: tensors[name].astype(dtype)}, f"tensor '{name}' holds ")


@pytest.mark.parametrize("ending", ["smooth", "shift"])
def test_factors_of_the_inputs(ending):
    tensors, name = folder("int8"), f"layers.1.ffn.down.{ending}"
    refused(tensors | {name: np.ones(99, np.float32)}, f"tensor '{name}' has shape [99], expected [100]")
    refused(tensors | {name: np.ones(100, np.int32)}, f"tensor '{name}' holds int32")


@pytest.mark.parametrize(("precision", "name"), [("int8", INT8), ("bf16", BF16)])
def test_misaligned_panels(precision, name):
    tensors, batch = folder(precision), make_batch(SPEC, [1, 30, 7])
    for offset in (1, 2) if precision == "int8" else (2,):
        refused(tensors | {name: at_offset(tensors[name], offset)}, f"tensor '{name}' is not aligned to 4 bytes")
    for kernel in _native.available_kernels(precision):
        results = set()
        for offset in (0, 4, 8, 16, 32, 60):
            moved = {n: at_offset(t, offset) for n, t in tensors.items()}
            encoder = _native.Encoder(SPEC, moved, threads=2, kernel=kernel, precision=precision)
            results.add(encoder.forward(*batch).tobytes())
        assert len(results) == 1


@pytest.mark.parametrize("bits", [8, 4])
def test_tables(bits):
    tensors = make_tensors(SPEC)
    values, scale, _ = quantised_table(tensors.pop("embeddings.word"), bits, 2)
    name = f"embeddings.word.int{bits}"
    good = tensors | {name: values, "embeddings.word.scale": scale}
    assert np.isfinite(_native.Encoder(SPEC, good, threads=1).forward(*make_batch(SPEC, [3]))).all()
    refused(good | {name: values[:-1]}, f"tensor '{name}' has shape")
    refused(good | {name: np.ascontiguousarray(values[:, :-1])}, f"tensor '{name}' has shape")
    refused(good | {name: values.astype(np.int32)}, f"tensor '{name}' holds int32")
    for wrong in (
        scale[:-1],
        scale[:, 0],
        np.repeat(scale, 100, axis=1),
        scale[:, :0],
        np.repeat(scale, 5, axis=1)[:, :5],
    ):
        message = "tensor 'embeddings.word.scale' is missing or of the wrong shape"
        refused(good | {"embeddings.word.scale": np.ascontiguousarray(wrong)}, message)
    refused(good | {"embeddings.word.scale": scale.astype(np.int32)}, "tensor 'embeddings.word.scale' holds int32")
    refused(
        {n: t for n, t in good.items() if n != "embeddings.word.scale"}, "tensor 'embeddings.word.scale' is missing"
    )


def test_tensors_at_odd_addresses():
    """Whatever is copied or looked up row by row may lie anywhere; panels may not."""
    tensors, batch = folder("int8"), make_batch(SPEC, [4, 9])
    for name in ("embeddings.word", "embeddings.position"):
        values, scale, _ = quantised_table(tensors.pop(name), 8, 3)
        tensors |= {f"{name}.int8": values, f"{name}.scale": scale}
    moved = {}
    for name, array in tensors.items():
        memory = bytearray(array.nbytes + 1)
        memory[1:] = array.tobytes()
        odd = np.frombuffer(memory, dtype=array.dtype, offset=1).reshape(array.shape)
        moved[name] = array if name.endswith("weight_int8") else odd
    ours, theirs = (_native.Encoder(SPEC, t, threads=1, precision="int8").forward(*batch) for t in (moved, tensors))
    assert ours.tobytes() == theirs.tobytes()


def test_damaged_folders_are_refused_or_scored():
    """Random damage to a tensor gives logits or an error, nothing else."""
    rng = np.random.default_rng(0)
    batch = make_batch(SPEC, [3, 20])
    refusals = 0
    for precision in ("int8", "bf16"):
        whole = folder(precision)
        names = sorted(whole)
        for _ in range(150):
            name = names[rng.integers(len(names))]
            array = whole[name].copy()
            match rng.integers(4):
                case 0:
                    array = array.astype(rng.choice(["float32", "float16", "uint16", "int8", "uint8", "int32"]))
                case 1:
                    array = np.ascontiguousarray(np.delete(array, 0, axis=rng.integers(array.ndim)))
                case 2:
                    flat = array.reshape(-1).view(np.uint8)
                    flat[rng.integers(0, len(flat), 50)] = rng.integers(0, 256, 50)
                case _:
                    array = None
            tensors = {n: t for n, t in (whole | {name: array}).items() if t is not None}
            try:
                logits = _native.Encoder(SPEC, tensors, threads=1, precision=precision).forward(*batch)
                assert logits.shape == (2,)
            except ValueError:
                refusals += 1
    assert 50 < refusals < 300

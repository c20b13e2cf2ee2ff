"""Our reader against the safetensors library, and against files that are wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.safetensors import MAX_HEADER, read_safetensors

safetensors = pytest.importorskip("safetensors")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

DTYPES = ["?", "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"]
in_one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(file: Path, header: object, body: bytes = b"", *, length: int | None = None) -> Path:
    """Write a file with this header: an object, or the bytes themselves."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return file


def entry(dtype: object, shape: object, begin: object, end: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, np.ndarray]:
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True, max_size=5))
    found = {}
    for name in names:
        dtype, shape = draw(st.sampled_from(DTYPES)), draw(st.lists(st.integers(0, 4), max_size=3))
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        data = draw(st.binary(min_size=size, max_size=size))
        values = np.frombuffer(data, dtype="u1") % 2 == 1 if dtype == "?" else np.frombuffer(data, dtype=dtype)
        found[name] = values.reshape(shape)
    return {name: values for name, values in found.items() if name != "__metadata__"}


@in_one_folder
@given(tensors())
def test_reads_what_the_library_writes(tmp_path: Path, expected: dict[str, np.ndarray]) -> None:
    file = tmp_path / "model.safetensors"
    safetensors_numpy.save_file(expected, file, metadata={"format": "np"})
    read = read_safetensors(file)
    assert read.keys() == expected.keys()
    for name, tensor in read.items():
        values = tensor.array()
        assert values.dtype == expected[name].dtype
        assert values.shape == expected[name].shape
        assert values.tobytes() == expected[name].tobytes()
        assert not values.flags.writeable
        assert values.flags.aligned


@in_one_folder
@given(st.data())
def test_a_damaged_file_is_refused_or_read_as_the_library_reads_it(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "model.safetensors"
    safetensors_numpy.save_file({"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.arange(5, dtype="f2")}, file)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.unlink()
    file.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        read = read_safetensors(file)
    except ModelLayoutError as error:
        assert str(file) in str(error)
        return
    library = dict(safetensors.deserialize(file.read_bytes()))
    assert {name: bytes(tensor.data) for name, tensor in read.items()} == {
        name: bytes(tensor["data"]) for name, tensor in library.items()
    }


def test_bfloat16_comes_as_its_bits(tmp_path: Path) -> None:
    file = write(tmp_path / "f", {"x": entry("BF16", [2], 0, 4)}, b"\x80\x3f\x00\xc0")
    values = read_safetensors(file)["x"].array()
    assert values.dtype == np.uint16
    assert values.tolist() == [0x3F80, 0xC000]  # 1.0 and -2.0


def test_an_aligned_tensor_is_a_view_and_an_unaligned_one_a_copy(tmp_path: Path) -> None:
    header = {"byte": entry("U8", [1], 0, 1), "odd": entry("F32", [2], 1, 9)}
    text = json.dumps(header).encode()
    values = np.array([1.5, -2.5], dtype="<f4")
    for padding in range(8):
        file = write(tmp_path / f"{padding}", text + b" " * padding, b"\x07" + values.tobytes())
        tensor = read_safetensors(file)["odd"]
        array = tensor.array()
        assert array.tolist() == [1.5, -2.5]
        assert array.flags.aligned
        assert not array.flags.writeable
        assert np.shares_memory(array, tensor.data) == ((8 + len(text) + padding + 1) % 4 == 0)


def test_values_survive_the_file(tmp_path: Path) -> None:
    """On POSIX a mapped file can be replaced: those who hold arrays keep the old bytes."""
    file = write(tmp_path / "f", {"x": entry("F32", [1], 0, 4)}, np.float32(3).tobytes())
    array = read_safetensors(file)["x"].array()
    write(tmp_path / "new", {"x": entry("F32", [1], 0, 4)}, np.float32(4).tobytes()).replace(file)
    assert array.tolist() == [3.0]
    assert read_safetensors(file)["x"].array().tolist() == [4.0]


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        (b"not json", b"", "not JSON"),
        (b"[" * 100_000, b"", "not JSON"),
        (b"\xff\xfe{}", b"", "not JSON"),
        ([], b"", "not an object"),
        ({"a": 1}, b"", "not described by"),
        ({"a": {"dtype": "F32", "shape": []}}, b"", "not described by"),
        ({"a": entry("F32", [1], 0, 4) | {"more": 1}}, b"1234", "not described by"),
        ({"a": entry("F33", [1], 0, 4)}, b"1234", "unknown dtype 'F33'"),
        ({"a": entry(["F32"], [1], 0, 4)}, b"1234", "unknown dtype"),
        ({"a": entry("F32", 1, 0, 4)}, b"1234", "impossible shape"),
        ({"a": entry("F32", [-1], 0, 4)}, b"1234", "impossible shape"),
        ({"a": entry("F32", [1.0], 0, 4)}, b"1234", "impossible shape"),
        ({"a": entry("F32", [True], 0, 4)}, b"1234", "impossible shape"),
        ({"a": entry("F32", [1] * 65, 0, 4)}, b"1234", "impossible shape"),
        ({"a": entry("F32", [1], 4, 0)}, b"1234", "impossible data_offsets"),
        ({"a": entry("F32", [1], -4, 0)}, b"1234", "impossible data_offsets"),
        ({"a": entry("F32", [1], None, 4)}, b"1234", "impossible data_offsets"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}, b"12345678", "impossible data_offsets"),
        ({"a": entry("F32", [1], 0, 4)}, b"123", "ends at byte 4 of a buffer of 3"),
        ({"a": entry("F32", [1 << 62], 0, 1 << 64)}, b"123", "ends at byte"),
        ({"a": entry("F32", [2], 0, 4)}, b"1234", r"takes 4 bytes, which is not F32 \[2\]"),
        ({"a": entry("F32", [1 << 70, 0, 3], 0, 4)}, b"1234", "takes 4 bytes"),
        ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 2, 6)}, b"123456", "overlaps the tensor before it"),
        ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, b"1234", "overlaps the tensor before it"),
        ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 6, 10)}, b"1234567890", "leaves a hole"),
        ({"a": entry("F32", [1], 2, 6)}, b"123456", "leaves a hole"),
        ({"a": entry("F32", [1], 0, 4)}, b"12345", "fill 4 bytes of a buffer of 5"),
        ({}, b"1", "fill 0 bytes of a buffer of 1"),
        (b'{"a": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}, "a": {}}', b"", "the name 'a' occurs twice"),
        (b'{"a": {"dtype":"F32","dtype":"F16","shape":[0],"data_offsets":[0,0]}}', b"", "'dtype' occurs twice"),
        (b'{"a": {"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,0]}}', b"", "not JSON"),
        ({"__metadata__": {"a": 1}}, b"", "does not map texts to texts"),
        ({"__metadata__": []}, b"", "does not map texts to texts"),
        ({"\ud800": 1}, b"", r"'\\ud800' is not described"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: object, body: bytes, reason: str) -> None:
    file = write(tmp_path / "model.safetensors", header, body)
    with pytest.raises(ModelLayoutError, match=reason) as caught:
        read_safetensors(file)
    assert str(file) in str(caught.value)
    str(caught.value).encode()  # can be printed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has 0 bytes"),
        (b"1234567", "it has 7 bytes"),
        ((100).to_bytes(8, "little") + b"{}", "claims 100 bytes, but only 2 follow"),
        ((MAX_HEADER + 1).to_bytes(8, "little") + b"{}", "more than"),
        (b"\xff" * 16, "more than"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git LFS pointer"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelLayoutError, match=reason):
        read_safetensors(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLayoutError, match="cannot be read: No such file"):
        read_safetensors(tmp_path / "none")


@pytest.mark.parametrize(("dtype", "shape", "size"), [("F8_E4M3", [3], 3), ("F4", [4], 2), ("F6_E2M3", [4], 3)])
def test_small_floats_are_seen_but_not_read(tmp_path: Path, dtype: str, shape: list[int], size: int) -> None:
    tensor = read_safetensors(write(tmp_path / "f", {"x": entry(dtype, shape, 0, size)}, bytes(size)))["x"]
    assert tensor.shape == tuple(shape)
    with pytest.raises(UnsupportedModel, match=f"'x' is stored as {dtype}"):
        tensor.array()


def test_an_empty_model_and_an_empty_tensor(tmp_path: Path) -> None:
    assert read_safetensors(write(tmp_path / "none", {})) == {}
    values = read_safetensors(write(tmp_path / "zero", {"x": entry("F32", [0, 5], 0, 0)}))["x"].array()
    assert values.shape == (0, 5)

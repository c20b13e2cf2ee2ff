"""Read the safetensors format: a JSON header, then the tensors' bytes, memory-mapped.

Written from the format's description (safetensors README, "Format"): eight bytes of header length (unsigned,
little-endian), the header (a JSON object: name -> dtype, shape, data_offsets; `__metadata__` maps texts to texts),
then one buffer that the tensors fill without holes or overlaps. A file is checked whole before the first array is
made, so that no header, however wrong, leads to a read outside of the file.
"""

import json
import math
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resift.errors import ModelLayoutError, UnsupportedModel

MAX_HEADER = 100_000_000
"""Bytes of header that the reference implementation accepts; a longer one is an error."""
MAX_DIMENSIONS = 32
"""What every numpy from 1.26 on can hold."""
_LFS_POINTER = b"version https://git-lfs"
"""What a repository cloned without git LFS has in the place of a large file."""

_BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64},
    **{"F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64},
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8},
}
_NUMPY = {
    **{"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4"},
    **{"U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8", "BF16": "<u2"},
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor's place in a file.

    Attributes:
        file: the file that holds it.
        name: its name there.
        dtype: as the header spells it: `F32`, `BF16`, ...
        shape: its dimensions.
        begin: where its bytes start in the file's buffer.
        data: its bytes, uint8, a read-only view of the mapped file.
    """

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    data: npt.NDArray[np.uint8]

    def array(self) -> np.ndarray:
        """Return the values, read-only; bfloat16 as its bits in uint16.

        It is a view of the file, or a copy where the file does not keep the values aligned.
        Raises UnsupportedModel for the formats that numpy does not have (8 bits and less).
        """
        if self.dtype not in _NUMPY:
            raise UnsupportedModel(
                f"{self.file}: tensor {self.name!r} is stored as {self.dtype}, which resift does not read",
                hint="use a checkpoint in F32, F16 or BF16",
            )
        values = self.data.view(_NUMPY[self.dtype]).reshape(self.shape)
        if not values.flags.aligned:
            values = values.copy()
            values.flags.writeable = False
        return values


def read_safetensors(file: Path) -> dict[str, StoredTensor]:
    """Map `file` and return its tensors by name, in the file's order.

    Subtle: the mapping lives as long as an array made from it. Cutting the file short meanwhile would kill the
    process (SIGBUS), as with every mapped file; replace a model by renaming a new file over the old one.
    Raises ModelLayoutError when the file is not a valid safetensors file.
    """
    data = _map(file)
    header, start = _header(file, data)
    body = data[start:]
    tensors = {
        name: _tensor(file, name, entry, body)
        for name, entry in header.items()
        if name != "__metadata__" or not _is_metadata(file, entry)
    }
    _check_layout(file, tensors.values(), len(body))
    return tensors


def _map(file: Path) -> npt.NDArray[np.uint8]:
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            if size < 8:
                raise _corrupt(file, f"it has {size} bytes; the header's length alone takes 8")
            return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
    except OSError as error:
        raise ModelLayoutError(f"{file}: cannot be read: {error.strerror or error}") from error


def _header(file: Path, data: npt.NDArray[np.uint8]) -> tuple[dict[str, object], int]:
    """Return the parsed header and where the tensors' buffer starts."""
    if data[: len(_LFS_POINTER)].tobytes() == _LFS_POINTER:
        hint = "run: git lfs pull (or download the model with: resift pull)"
        raise ModelLayoutError(f"{file} is a git LFS pointer, not the weights", hint=hint)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > MAX_HEADER:
        raise _corrupt(file, f"its header claims {length} bytes, more than {MAX_HEADER}")
    if 8 + length > len(data):
        raise _corrupt(file, f"its header claims {length} bytes, but only {len(data) - 8} follow", cut=True)
    try:
        header = json.loads(data[8 : 8 + length].tobytes(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _corrupt(file, f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise _corrupt(file, f"its header is a JSON {type(header).__name__}, not an object")
    return header, 8 + length


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return entries


def _is_metadata(file: Path, entry: object) -> bool:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise _corrupt(file, "its __metadata__ does not map texts to texts")
    return True


def _tensor(file: Path, name: str, entry: object, body: npt.NDArray[np.uint8]) -> StoredTensor:
    """Check one header entry by itself: its fields, its dtype, its size, its place inside the buffer."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _corrupt(file, f"tensor {name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _corrupt(file, f"tensor {name!r} has the unknown dtype {dtype!r}")
    if not _is_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise _corrupt(file, f"tensor {name!r} has the impossible shape {shape!r}")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _corrupt(file, f"tensor {name!r} has the impossible data_offsets {offsets!r}")
    begin, end = offsets
    if end > len(body):
        raise _corrupt(file, f"tensor {name!r} ends at byte {end} of a buffer of {len(body)}", cut=True)
    if (end - begin) * 8 != math.prod(shape) * _BITS[dtype]:
        raise _corrupt(file, f"tensor {name!r} takes {end - begin} bytes, which is not {dtype} {shape}")
    return StoredTensor(file, name, dtype, tuple(shape), begin, body[begin:end])


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_layout(file: Path, tensors: Iterable[StoredTensor], size: int) -> None:
    """Check that the tensors fill the buffer of `size` bytes, each byte belonging to one of them."""
    filled = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, len(tensor.data))):
        if tensor.begin != filled:
            what = "overlaps the tensor before it" if tensor.begin < filled else "leaves a hole before it"
            raise _corrupt(
                file, f"tensor {tensor.name!r} starts at byte {tensor.begin} and {what}, which ends at byte {filled}"
            )
        filled += len(tensor.data)
    if filled != size:
        raise _corrupt(file, f"its tensors fill {filled} bytes of a buffer of {size}")


def _corrupt(file: Path, reason: str, *, cut: bool = False) -> ModelLayoutError:
    hint = "the file was cut short: download it again" if cut else "download or write the file again"
    return ModelLayoutError(f"{file} is not a valid safetensors file: {reason}", hint=hint)

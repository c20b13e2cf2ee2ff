"""Write a safetensors file piece by piece: memory holds the piece that is being written and nothing else.

Tensors begin on multiples of 64 bytes wherever the format allows it: it has no gaps, so those whose size is such a
multiple come first, panels before all. The header is filled up with spaces, which the format permits.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

_ALIGNMENT = 64
_DTYPES = {
    **{"I8": "i1", "U8": "u1", "I32": "<i4"},
    **{"F16": "<f2", "F32": "<f4", "BF16": "<u2"},
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor that will be written.

    Attributes:
        dtype: as the format spells it; BF16 takes its bits as uint16.
        shape: its dimensions.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * np.dtype(_DTYPES[self.dtype]).itemsize


class SafetensorsWriter:
    """A safetensors file whose tensors are known and whose values come in any order, rows at a time."""

    def __init__(self, file: Path, slots: Mapping[str, Slot]) -> None:
        self._slots = dict(slots)
        self._begin: dict[str, int] = {}
        self._left = {name: slot.nbytes for name, slot in slots.items()}
        header: dict[str, object] = {"__metadata__": {"format": "resift"}}
        at = 0
        for name in sorted(slots, key=_place(slots)):
            end = at + slots[name].nbytes
            header[name] = {"dtype": slots[name].dtype, "shape": slots[name].shape, "data_offsets": [at, end]}
            self._begin[name], at = at, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-(8 + len(text)) % _ALIGNMENT)
        self._start = 8 + len(text)
        self._stream = file.open("wb")
        self._stream.write(len(text).to_bytes(8, "little") + text)
        self._stream.truncate(self._start + at)

    def write(self, name: str, values: np.ndarray, *, first: int = 0) -> None:
        """Write rows of the tensor `name`, the first of which is row `first`."""
        slot = self._slots[name]
        if values.dtype != np.dtype(_DTYPES[slot.dtype]) or values.shape[1:] != slot.shape[1:]:
            raise ValueError(f"{name}: {values.dtype} {values.shape} does not fit {slot.dtype} {slot.shape}")
        row = slot.nbytes // slot.shape[0]
        self._stream.seek(self._start + self._begin[name] + first * row)
        self._stream.write(np.ascontiguousarray(values).data)
        self._left[name] -= values.nbytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        wrong = [name for name, left in self._left.items() if left]
        if kind is None and wrong:
            raise ValueError(f"not written whole: {', '.join(wrong)}")


def write_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write small arrays of bytes to a file of their own."""
    with SafetensorsWriter(file, {name: Slot("U8", array.shape) for name, array in arrays.items()}) as writer:
        for name, array in arrays.items():
            writer.write(name, array)


def _place(slots: Mapping[str, Slot]) -> Callable[[str], tuple[bool, bool, int, int]]:
    """Return the order of the tensors in the file: as given, but for what alignment asks."""
    order = {name: number for number, name in enumerate(slots)}

    def place(name: str) -> tuple[bool, bool, int, int]:
        slot = slots[name]
        odd = slot.nbytes % _ALIGNMENT != 0
        return odd, len(slot.shape) != 4, -np.dtype(_DTYPES[slot.dtype]).itemsize if odd else 0, order[name]

    return place

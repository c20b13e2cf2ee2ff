"""Segments: the postings of up to 65536 documents, which never change once they are made.

Documents stand in the order of their ids, so that equal scores sorted by slot are sorted by id. A file of a segment is
a safetensors file, which is mapped, not read.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from resift import _native
from resift.errors import ModelLayoutError, StoreDamaged
from resift.loading.safetensors import StoredTensor, read_safetensors
from resift.types import Float32, Int64

UInt64: TypeAlias = npt.NDArray[np.uint64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
UInt32: TypeAlias = npt.NDArray[np.uint32]

MOST_DOCUMENTS = 1 << 16
"""Slots are 16 bits: a posting takes three bytes, and the sums of a search stay in the processor's cache."""

_POSTINGS = ("terms", "offsets", "slots", "counts", "peaks")
_DTYPES = {
    "ids": {"I64"}, "lengths": {"U32"}, "terms": {"U64"}, "offsets": {"U32"}, "slots": {"U16"},
    "counts": {"U8", "U16", "U32"}, "peaks": {"U8", "U16", "U32"},
}  # fmt: skip
_NAMES = {"i8": "I64", "u8": "U64", "u4": "U32", "u2": "U16", "u1": "U8"}
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Segment:
    """Documents and their postings.

    Attributes:
        ids: int64 [documents], ascending.
        lengths: uint32 [documents], terms of each with repetitions.
        arrays: what `postings` reads, by name: terms, offsets, slots, counts, peaks.
        postings: the same, ready to be searched.
    """

    ids: Int64
    lengths: UInt32
    arrays: dict[str, np.ndarray]
    postings: _native.Postings

    @property
    def size(self) -> int:
        """Number of postings."""
        return len(self.arrays["slots"])

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return sum(array.nbytes for array in self.arrays.values()) + self.ids.nbytes + self.lengths.nbytes

    def find(self, ids: Int64) -> Int64:
        """Return the slots of those of the given ids, ascending and distinct, that are here, ascending."""
        if not len(self.ids):
            return np.empty(0, np.int64)
        first, last = self.ids[0], self.ids[-1]
        ids = ids[np.searchsorted(ids, first) : np.searchsorted(ids, last, side="right")]
        if int(last) - int(first) + 1 == len(self.ids):  # no gaps
            slots: Int64 = ids - first
            return slots
        few, many = (ids, self.ids) if len(ids) < len(self.ids) else (self.ids, ids)
        if not len(many):
            return np.empty(0, np.int64)
        places = np.searchsorted(many, few)
        places[places == len(many)] = 0
        hits = many[places] == few
        return places[hits] if few is ids else np.flatnonzero(hits)


def build(ids: Int64, keys: UInt64, lengths: Int64) -> Segment:
    """Return the segment of documents whose terms' keys stand one after the other, `lengths[i]` each; ids ascend."""
    return _segment(ids, lengths.astype(np.uint32), _native.invert(keys, lengths))


def merge(parts: Sequence[tuple[Segment, UInt8 | None]]) -> Segment:
    """Return one segment of several, without the documents whose byte is set."""
    kept = [np.arange(len(segment.ids)) if dead is None else np.flatnonzero(dead == 0) for segment, dead in parts]
    ids = np.concatenate([segment.ids[slots] for (segment, _), slots in zip(parts, kept, strict=True)])
    lengths = np.concatenate([segment.lengths[slots] for (segment, _), slots in zip(parts, kept, strict=True)])
    order = np.argsort(ids, kind="stable")
    place = np.empty(len(ids), np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    given, at = [], 0
    for (segment, _), slots in zip(parts, kept, strict=True):
        places = np.full(len(segment.ids), -1, np.int32)
        places[slots] = place[at : at + len(slots)]
        at += len(slots)
        given.append((segment.postings, places))
    with damage_seen():
        return _segment(ids[order], lengths[order], _native.merge(given))


@contextmanager
def damage_seen() -> Iterator[None]:
    """Raise StoreDamaged where postings turn out to be of no document: who maps a file has not read it."""
    try:
        yield
    except IndexError as error:
        hint = "remove the index's folder and index again; a pipeline does the latter when it is opened"
        raise StoreDamaged(f"a segment of the index is damaged: {error}", hint=hint) from error


def norms(lengths: UInt32, *, k1: float, b: float, mean: float) -> Float32:
    """Return k1 * (1 - b + b * length / mean) of each document, float32."""
    return np.asarray(k1 * (1 - b) + (k1 * b / mean) * lengths, np.float32)


def write_arrays(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Write a safetensors file whose arrays are aligned: the widest values come first."""
    header: dict[str, object] = {"__metadata__": {"format": "resift-bm25"}}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    at = 0
    for name in order:
        array = arrays[name]
        kind = _NAMES[array.dtype.str[1:]]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    stream.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        stream.write(np.ascontiguousarray(arrays[name]).astype(arrays[name].dtype.newbyteorder("<"), copy=False).data)


def write(stream: BinaryIO, segment: Segment) -> None:
    """Write the file of a segment."""
    write_arrays(stream, {"ids": segment.ids, "lengths": segment.lengths, **segment.arrays})


def read_arrays(file: Path) -> dict[str, StoredTensor]:
    """Map a file of arrays; OSError when it cannot be opened (it may be whole), StoreDamaged when it is broken."""
    try:
        return read_safetensors(file)
    except ModelLayoutError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise StoreDamaged(error.message) from error


def read(file: Path) -> Segment:
    """Map the file of a segment; OSError when it cannot be opened, StoreDamaged when it is not one."""
    stored = read_arrays(file)
    if {name: stored[name].dtype in kinds for name, kinds in _DTYPES.items() if name in stored} != dict.fromkeys(
        _DTYPES, True
    ):
        raise StoreDamaged(f"{file} does not hold the arrays of a segment")
    arrays = {name: tensor.array() for name, tensor in stored.items()}
    ids, lengths = arrays["ids"], arrays["lengths"]
    if any(array.ndim != 1 for array in arrays.values()) or not 0 < len(ids) == len(lengths) <= MOST_DOCUMENTS:
        raise StoreDamaged(f"{file}: its arrays do not fit together")
    try:
        return _segment(ids, lengths, tuple(arrays[name] for name in _POSTINGS))
    except ValueError as error:
        raise StoreDamaged(f"{file}: {error}") from error


def _segment(ids: Int64, lengths: UInt32, arrays: tuple[np.ndarray, ...]) -> Segment:
    return Segment(
        ids, lengths, dict(zip(_POSTINGS, arrays, strict=True)), _native.Postings(*arrays, documents=len(ids))
    )

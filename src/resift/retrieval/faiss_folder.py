"""The folder of a FAISS index: files that are never changed, and `faiss.json`, which says which of them count.

A save writes new files, then replaces `faiss.json`, then removes the files that it no longer names. A crash leaves the
old `faiss.json` with all its files, and perhaps files without an owner, which the next save removes. Who has old files
mapped goes on reading them.

What a save costs: vectors that came since the last one go into a tail file of their own, which takes in the last ones
while they are at most twice as large, so that each vector is written a few times in all. The FAISS index is written
when it was grown or built again, which happens once in many additions (`FaissIndex` says when).
"""

import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from resift.durable import write_durably
from resift.errors import FolderBusy, InputError, StoreDamaged
from resift.retrieval import faiss_base
from resift.retrieval.faiss_base import Base, Layout
from resift.retrieval.faiss_content import Content
from resift.retrieval.faiss_tail import Mask, Tail
from resift.types import Float32, Int64

MANIFEST = "faiss.json"
FORMAT = "resift-faiss/1"
_OURS = re.compile(r"(base|ids|tail|deleted)-\d+\.(faiss|npy|npz)")
_BLOCK, _BLOCKS = 1 << 16, 64
_AGAIN = "build the index again, in an empty folder"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder, and how to see that it is whole: its size and a checksum of blocks spread over it."""

    name: str
    size: int
    checksum: int
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `faiss.json` holds.

    Attributes:
        generation: one more with each save.
        mark: what the last save was given.
        encoder: its name; None while all vectors came as such.
        dimension: None while there has been no vector.
        base: files of the FAISS index and of its ids; both or none.
        trained: vectors that there were when the lists of the FAISS index were chosen.
        tail: files of what came later, in order.
        deleted: which rows, of base and tail, are no longer there; None when all are.
    """

    layout: Layout
    generation: int = 0
    mark: int = 0
    encoder: str | None = None
    dimension: int | None = None
    base: File | None = None
    ids: File | None = None
    trained: int = 0
    tail: tuple[File, ...] = ()
    deleted: File | None = None

    @property
    def files(self) -> list[File]:
        """All files that count."""
        return [one for one in (self.base, self.ids, self.deleted, *self.tail) if one is not None]


class Folder:
    """One open folder: what was read from it or written to it last, so that a save writes what is new."""

    def __init__(self, path: Path, manifest: Manifest, content: Content) -> None:
        self.path = path
        self.manifest = manifest
        self._index = None if content.base is None else content.base.index
        self._origin = None if content.tail is None else content.tail.origin

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> "Folder":
        """Make the folder where it is not there; raises InputError when it cannot be made or has an index."""
        with _readable(path):
            path.mkdir(parents=True, exist_ok=True)
            if (path / MANIFEST).exists():
                raise InputError(f"{path} has an index already", hint="open it: FaissIndex.open(folder)")
            if any(_OURS.fullmatch(one.name) for one in path.iterdir()):
                raise StoreDamaged(f"{path} has files of an index, but no {MANIFEST}", hint=_AGAIN)
            _replace(path, manifest)
        return cls(path, manifest, Content(None, None))

    def save(self, content: Content, manifest: Manifest) -> None:
        """Make `content` what the folder holds; of `manifest`, encoder, dimension and mark are taken."""
        with _readable(self.path):
            there = read_manifest(self.path)
            if there is None or there.generation != self.manifest.generation:
                raise FolderBusy(
                    f"{self.path} was changed by another process since it was opened here",
                    hint="open it again, and let one process at a time write",
                )
            made = replace(manifest, generation=there.generation + 1)
            made = self._with_base(content.base, made)
            made = self._with_tail(content.tail, made)
            made = self._with_deleted(content, made)
            _replace(self.path, made)
            self.manifest = made
            self._index = None if content.base is None else content.base.index
            self._origin = None if content.tail is None else content.tail.origin
            self._sweep()

    def _with_base(self, base: Base | None, made: Manifest) -> Manifest:
        if base is None:
            return replace(made, base=None, ids=None, trained=0)
        if base.index is self._index:
            return replace(made, base=self.manifest.base, ids=self.manifest.ids, trained=self.manifest.trained)
        index, ids = (
            self.path / f"{kind}-{made.generation}.{end}" for kind, end in (("base", "faiss"), ("ids", "npy"))
        )
        faiss_base.write_index(base, index)
        np.save(ids, base.ids if base.twins is None else np.stack([base.ids, base.twins.node]))
        return replace(made, base=_kept(index, base.rows), ids=_kept(ids, base.rows), trained=base.trained)

    def _with_tail(self, tail: Tail | None, made: Manifest) -> Manifest:
        if tail is None or not tail.rows:
            return replace(made, tail=())
        files = list(self.manifest.tail) if tail.origin is self._origin else []
        start = sum(one.rows for one in files)
        if start < tail.rows:
            while files and files[-1].rows <= 2 * (tail.rows - start):
                start -= files.pop().rows
            path = self.path / f"tail-{made.generation}.npz"
            np.savez(path, ids=tail.ids[start : tail.rows], vectors=tail.vectors[start : tail.rows])
            files.append(_kept(path, tail.rows - start))
        return replace(made, tail=tuple(files))

    def _with_deleted(self, content: Content, made: Manifest) -> Manifest:
        parts: list[Mask] = []
        if content.base is not None:
            alive = content.base.alive
            parts.append(np.ones(content.base.rows, bool) if alive is None else alive)
        if content.tail is not None:
            parts.append(content.tail.alive)
        dead = ~np.concatenate(parts) if parts else np.zeros(0, bool)
        if not dead.any():
            return replace(made, deleted=None)
        path = self.path / f"deleted-{made.generation}.npy"
        np.save(path, np.packbits(dead))
        return replace(made, deleted=_kept(path, len(dead)))

    def _sweep(self) -> None:
        """Remove what is no longer named. Where the system keeps a mapped file, a later save removes it."""
        named = {one.name for one in self.manifest.files}
        for one in self.path.iterdir():
            if _OURS.fullmatch(one.name) and one.name not in named:
                try:
                    one.unlink()
                except OSError:
                    continue


def read_folder(path: Path) -> tuple[Folder, Content] | None:
    """Read a folder; None when there is no index in it. Raises StoreDamaged, which names the file."""
    while True:
        with _readable(path):
            manifest = read_manifest(path)
            if manifest is None:
                return None
            try:
                content = _read_content(path, manifest)
            except (FileNotFoundError, StoreDamaged) as error:
                # A writer may have replaced the files meanwhile: then there is a newer manifest.
                if read_manifest(path) != manifest:
                    continue
                if isinstance(error, FileNotFoundError):
                    raise StoreDamaged(f"{error.filename} is missing", hint=_AGAIN) from None
                raise
            return Folder(path, manifest, content), content


def read_manifest(path: Path) -> Manifest | None:
    """Read `faiss.json`; None when it is not there. Raises StoreDamaged when it is damaged or of another version."""
    file = path / MANIFEST
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreDamaged(f"{file} is damaged: {error}", hint=_AGAIN) from None
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise StoreDamaged(f'{file} is no index of this version: expected "format": "{FORMAT}"', hint=_AGAIN)
    try:
        data["layout"] = Layout(**data["layout"])
        data["tail"] = tuple(_file(one) for one in data["tail"])
        for name in ("base", "ids", "deleted"):
            data[name] = None if data[name] is None else _file(data[name])
        return Manifest(**data)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreDamaged(f"{file} is damaged: {error}", hint=_AGAIN) from None


def _file(entry: dict[str, Any]) -> File:
    """Return an entry of the manifest; ValueError for a file that may be elsewhere."""
    made = File(**entry)
    if not _OURS.fullmatch(made.name):
        raise ValueError(f"{made.name!r} is no file of an index")
    return made


def _read_content(path: Path, manifest: Manifest) -> Content:
    for one in manifest.files:
        if _checksum(path / one.name) != (one.size, one.checksum):
            raise StoreDamaged(f"{path / one.name} is damaged: it is not what was written", hint=_AGAIN)
    tail_ids: list[Int64] = []
    tail_vectors: list[Float32] = []
    for one in manifest.tail:
        with _loading(path / one.name), np.load(path / one.name) as arrays:
            tail_ids.append(arrays["ids"])
            tail_vectors.append(arrays["vectors"])
    rows = 0 if manifest.base is None else manifest.base.rows
    alive = np.ones(rows + sum(map(len, tail_ids)), bool)
    if manifest.deleted is not None:
        file = path / manifest.deleted.name
        with _loading(file):
            alive = ~np.unpackbits(np.load(file), count=manifest.deleted.rows).astype(bool)
    base = None
    if manifest.base is not None and manifest.ids is not None:
        with _loading(path / manifest.ids.name):
            found = np.load(path / manifest.ids.name, mmap_mode="r")
            if not isinstance(found, np.ndarray) or found.dtype != np.int64 or found.shape[-1:] != (rows,):
                raise ValueError(f"it does not hold {rows} ids")
        ids, *node = np.atleast_2d(found)
        kept = None if alive[:rows].all() else alive[:rows]
        base = faiss_base.opened(
            path / manifest.base.name, ids, kept, trained=manifest.trained, node=node[0] if node else None
        )
    if not tail_ids:
        return Content(base, None)
    return Content(base, Tail.read(np.concatenate(tail_ids), np.concatenate(tail_vectors), alive[rows:]))


@contextmanager
def _loading(file: Path) -> Iterator[None]:
    """Turn what numpy says of a broken file into StoreDamaged, which names it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, EOFError, SyntaxError, TokenError, zipfile.BadZipFile) as error:
        raise StoreDamaged(f"{file} is damaged: {error}", hint=_AGAIN) from None


def _kept(path: Path, rows: int) -> File:
    """Make a file that was written durable, and return its entry."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
    return File(path.name, *_checksum(path), rows)


def _checksum(path: Path) -> tuple[int, int]:
    """Return the size of a file and the CRC of at most 64 blocks, spread over it: it costs the same for any size."""
    size, crc = path.stat().st_size, 0
    blocks = -(-size // _BLOCK)
    with path.open("rb") as stream:
        for place in range(min(blocks, _BLOCKS)):
            stream.seek(_BLOCK * (place * (blocks - 1) // max(1, min(blocks, _BLOCKS) - 1)))
            crc = zlib.crc32(stream.read(_BLOCK), crc)
    return size, crc


def _replace(path: Path, manifest: Manifest) -> None:
    """Replace `faiss.json` in one step, and wait until it is on the disk."""
    data: dict[str, Any] = {"format": FORMAT, **asdict(manifest)}
    write_durably(path / MANIFEST, json.dumps(data, indent=1) + "\n")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of the system into InputError, which names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror or error}") from error

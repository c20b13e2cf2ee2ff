"""The folder of a BM25 index: immutable files, and one manifest that says which of them count.

A change is durable once the manifest is replaced; everything it names was synced before. Files that it does not name
are left over from a crash, or from before the change; whoever saves next removes them.
"""

import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from resift.durable import sync_folder
from resift.errors import FolderBusy, InputError, StoreDamaged
from resift.retrieval.segments import Segment, UInt8, read, read_arrays, write, write_arrays

MANIFEST = "bm25.json"
FORMAT = "resift-bm25/1"
_SEGMENT, _DEAD, _PART = ".segment", ".deleted", ".part"


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment in the manifest.

    Attributes:
        file: its file.
        deleted: the file that says which of its documents are deleted, or None.
    """

    file: str
    deleted: str | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder holds.

    Attributes:
        analyzer: its name.
        k1: of BM25.
        b: of BM25.
        mark: given to `save`.
        version: another one for every save.
        segments: that count.
    """

    analyzer: str
    k1: float
    b: float
    mark: int
    version: str
    segments: tuple[Entry, ...]


class Disk:
    """What is done to files, so that tests can let any of it fail."""

    def write(self, file: Path, fill: Callable[[BinaryIO], None]) -> None:
        """Write a file and wait until it is on the disk."""
        with file.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Rename in one step."""
        source.replace(target)

    def sync(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk; systems that cannot (Windows) do it by themselves."""
        sync_folder(folder)

    def remove(self, file: Path) -> None:
        """Delete a file."""
        file.unlink(missing_ok=True)


class Folder:
    """Files of one index."""

    def __init__(self, path: Path, *, disk: Disk | None = None) -> None:
        self.path = path
        self._disk = Disk() if disk is None else disk

    def manifest(self) -> Manifest | None:
        """Return what the folder holds, None for a new one; StoreDamaged when it cannot be read."""
        file = self.path / MANIFEST
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        except (NotADirectoryError, PermissionError) as error:
            raise InputError(f"{self.path}: {error.strerror}, expected a folder") from error
        try:
            return _manifest(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamaged(f"{file} is not the manifest of an index: {error!r}") from error

    def load(self) -> tuple[Manifest, list[tuple[Segment, UInt8 | None]]] | None:
        """Map all segments, with the bytes of deleted documents; None for a new folder.

        A writer may replace the manifest and remove files in the meantime: then it starts again.
        """
        manifest = self.manifest()
        while manifest is not None:
            try:
                return manifest, [self._part(entry) for entry in manifest.segments]
            except FileNotFoundError as error:
                newer = self.manifest()
                if newer == manifest:
                    raise StoreDamaged(f"{error} is missing, which {self.path / MANIFEST} names") from error
                manifest = newer
        return None

    def add(self, segment: Segment) -> str:
        """Write a segment; it counts once it is committed."""
        name = secrets.token_hex(8) + _SEGMENT
        self._disk.write(self.path / name, lambda stream: write(stream, segment))
        return name

    def add_deleted(self, dead: UInt8) -> str:
        """Write which documents of a segment are deleted."""
        name = secrets.token_hex(8) + _DEAD
        self._disk.write(self.path / name, lambda stream: write_arrays(stream, {"deleted": np.packbits(dead)}))
        return name

    def read(self, name: str) -> Segment:
        """Map a segment."""
        return read(self.path / name)

    def commit(self, manifest: Manifest, *, before: Collection[str | None]) -> None:
        """Let a manifest count, if one of the versions `before` does now; FolderBusy otherwise."""
        now = self.manifest()
        if (None if now is None else now.version) not in before:
            raise FolderBusy(
                f"{self.path} was saved by somebody else meanwhile", hint="one writer at a time: open it again"
            )
        self._disk.sync(self.path)  # the names of the files that it names
        text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1) + "\n"
        part = self.path / (MANIFEST + _PART)
        self._disk.write(part, lambda stream: _write_text(stream, text))
        self._disk.replace(part, self.path / MANIFEST)
        self._disk.sync(self.path)

    def sweep(self, keep: Collection[str]) -> None:
        """Remove the files of segments that are not to be kept; what cannot be removed now goes another time."""
        for file in self._files():
            if file.name not in keep:
                try:
                    self._disk.remove(file)
                except PermissionError:  # Windows keeps what somebody has mapped
                    continue

    def _files(self) -> Iterable[Path]:
        return sorted(file for file in self.path.iterdir() if file.suffix in (_SEGMENT, _DEAD))

    def _part(self, entry: Entry) -> tuple[Segment, UInt8 | None]:
        segment = self.read(entry.file)
        if entry.deleted is None:
            return segment, None
        file = self.path / entry.deleted
        stored = read_arrays(file).get("deleted")
        if stored is None or stored.dtype != "U8" or stored.shape != (-(-len(segment.ids) // 8),):
            raise StoreDamaged(f"{file} does not say which documents of {entry.file} are deleted")
        return segment, np.unpackbits(stored.array(), count=len(segment.ids))


def _manifest(found: dict[str, Any]) -> Manifest:
    """Return the record of the JSON; ValueError, KeyError or TypeError when it is not one."""
    if found["format"] != FORMAT:
        raise ValueError(f"it is of format {found['format']!r}, this version of resift reads {FORMAT!r}")
    return Manifest(
        analyzer=str(found["analyzer"]),
        k1=float(found["k1"]),
        b=float(found["b"]),
        mark=int(found["mark"]),
        version=str(found["version"]),
        segments=tuple(
            Entry(_name(one["file"]), None if one["deleted"] is None else _name(one["deleted"]))
            for one in found["segments"]
        ),
    )


def _name(found: object) -> str:
    """Return the name of a file in the folder; ValueError for anything that may be elsewhere."""
    if not isinstance(found, str) or not found or Path(found).name != found:
        raise ValueError(f"{found!r} is no file of the folder")
    return found


def _write_text(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode())

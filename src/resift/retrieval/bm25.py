"""BM25: the first stage that needs no model and no language setting."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from resift.closing import Closing
from resift.errors import InputError
from resift.retrieval.analyzers import NAMED, AnalyzerSpec, as_analyzer
from resift.retrieval.folder import Disk, Entry, Folder, Manifest
from resift.retrieval.protocols import Hit
from resift.retrieval.segments import MOST_DOCUMENTS, Segment, build, merge
from resift.retrieval.snapshot import Part, Snapshot, part, without
from resift.retrieval.tidying import Load, choose, pack
from resift.types import Int64

K1 = 0.9
B = 0.4

_MOST_POSTINGS = 1 << 25
"""Of a segment: about 100 MB; one document alone may have more."""
_BATCH_DOCUMENTS, _BATCH_CHARACTERS = 1 << 14, 1 << 23
"""What is analyzed at once: about 100 MB of keys."""
_SPILLED = 1 << 24
"""Bytes from which a segment goes to the folder at once, and its memory back to the system."""


class BM25(Closing):
    """A BM25 index of texts, in memory or in a folder (Robertson and Zaragoza 2009; Lucene's idf).

    A document's score depends on what the index holds and not on how it came there. Searches may run in many threads
    and beside a change, which they see either whole (a batch of at most 16384 documents) or not at all.

    >>> index = BM25(["green tea", "black coffee"])
    >>> [hit.id for hit in index.search("coffee", top_k=1)]
    [1]
    """

    def __init__(
        self,
        documents: Sequence[str] = (),
        *,
        ids: Int64 | Sequence[int] | None = None,
        analyzer: AnalyzerSpec = "ngrams",
        k1: float = K1,
        b: float = B,
    ) -> None:
        """Index texts in memory, under their places in the list or under `ids`."""
        if not 0 <= k1 < np.inf or not 0 <= b <= 1:
            raise InputError(f"k1 is {k1} and b is {b}: expected k1 >= 0 and 0 <= b <= 1")
        self._analyzer = as_analyzer(analyzer)
        self._k1, self._b = float(k1), float(b)
        self._mark = 0
        self._versions: list[str | None] = [None]  # the manifest is of the last one, or a save failed in its last step
        self._folder: Folder | None = None
        self._snapshot: Snapshot | None = Snapshot()
        self._writing = threading.Lock()
        self.add(np.arange(len(documents)) if ids is None else ids, documents)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        analyzer: AnalyzerSpec | None = None,
        k1: float | None = None,
        b: float | None = None,
        _disk: Disk | None = None,
    ) -> "BM25":
        """Open the index of a folder, or begin one there; `None` is what the folder has, else the default.

        Raises InputError for options that contradict the folder, StoreDamaged when files are missing or broken.
        """
        place = Folder(Path(folder), disk=_disk)
        loaded = place.load()
        if loaded is None:
            place.path.mkdir(parents=True, exist_ok=True)
            given = "ngrams" if analyzer is None else analyzer
            index = cls(analyzer=given, k1=K1 if k1 is None else k1, b=B if b is None else b)
            index._attach(place)
            return index
        manifest, parts = loaded
        if analyzer is None and manifest.analyzer not in NAMED:
            raise InputError(f"{folder} was built with an analyzer of your own, {manifest.analyzer!r}: give it again")
        index = cls(analyzer=manifest.analyzer if analyzer is None else analyzer, k1=manifest.k1, b=manifest.b)
        for name, value, kept in (
            ("analyzer", index._analyzer.name, manifest.analyzer), ("k1", k1, manifest.k1), ("b", b, manifest.b),
        ):  # fmt: skip
            if value is not None and value != kept:
                raise InputError(
                    f"{folder} was built with {name}={kept!r}, not {value!r}", hint="index again in another folder"
                )
        index._attach(place)
        index._mark, index._versions = manifest.mark, [manifest.version]
        index._snapshot = Snapshot(
            tuple(
                part(segment, dead, file=entry.file, dead_file=entry.deleted)
                for entry, (segment, dead) in zip(manifest.segments, parts, strict=True)
            )
        )
        return index

    @property
    def mark(self) -> int:
        """The number given to the last `save`; 0 for a new index."""
        return self._mark

    @property
    def analyzer(self) -> str:
        """Name of the analyzer."""
        return self._analyzer.name

    def __len__(self) -> int:
        """Documents that can be found."""
        return self._now().documents

    def __contains__(self, id: int) -> bool:
        ids = np.array([id], np.int64)
        return any(
            len(slots) and (one.dead is None or not one.dead[slots[0]])
            for one in self._now().parts
            for slots in [one.segment.find(ids)]
        )

    def add(self, ids: Int64 | Sequence[int], texts: Sequence[str]) -> None:
        """Index texts under ids, int64 [n]; a document whose id is there, or comes again later, is replaced."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("BM25 indexes a list of texts", hint="turn documents with fields into texts first")
        given = _checked(ids, "ids")
        if len(given) != len(texts):
            raise InputError(f"there are {len(given)} ids for {len(texts)} texts")
        self._now()
        for places in _batches(given, texts):
            keys, lengths = self._analyzer.keys([texts[place] for place in places])
            segment = build(given[places], keys, lengths)
            with self._writing:
                parts = (*without(self._now().parts, segment.ids), self._stored(segment))
                self._snapshot = Snapshot(self._tidy(parts))

    def delete(self, ids: Int64 | Sequence[int]) -> None:
        """Take documents out, int64 [n]; ids that are not there are ignored."""
        gone = _ascending(_checked(ids, "ids"))
        with self._writing:
            self._snapshot = Snapshot(self._tidy(without(self._now().parts, gone)))

    def search(self, query: str, *, top_k: int, among: Int64 | Sequence[int] | None = None) -> list[Hit]:
        """Return at most `top_k` documents that share a term with the query, sorted by (-score, id).

        `among` has the ids of the only documents that may be found, int64 [n]; it changes no score.
        """
        return self.search_many([query], top_k=top_k, among=among)[0]

    def search_many(
        self, queries: Sequence[str], *, top_k: int, among: Int64 | Sequence[int] | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query, the same as one by one."""
        if top_k < 0:
            raise InputError(f"top_k is {top_k}: expected 0 or more")
        if isinstance(queries, str) or not all(isinstance(query, str) for query in queries):
            raise InputError("a query is a text")
        allowed = None if among is None else _ascending(_checked(among, "among"))
        snapshot = self._now()
        keys, lengths = self._analyzer.keys(queries)
        return [
            snapshot.search(one, top_k=top_k, k1=self._k1, b=self._b, among=allowed)
            for one in np.split(keys, np.cumsum(lengths)[:-1])
        ][: len(queries)]

    def save(self, *, mark: int, folder: str | Path | None = None) -> None:
        """Make all changes durable, in one step; an index in memory moves to `folder`, which has none yet."""
        with self._writing:
            parts = self._now().parts
            if folder is not None:
                place = Folder(Path(folder))
                if self._folder is not None or place.manifest() is not None:
                    raise InputError(f"{folder}: only an index in memory is saved to a folder, which has none yet")
                place.path.mkdir(parents=True, exist_ok=True)
                self._attach(place)
            if self._folder is None:
                raise InputError("this index is in memory", hint="save(mark=..., folder=...), or BM25.open(folder)")
            written = tuple(self._written(one, self._folder) for one in parts)
            self._snapshot = Snapshot(written)
            entries = tuple(Entry(str(one.file), one.dead_file) for one in written)
            version = secrets.token_hex(8)
            manifest = Manifest(self._analyzer.name, self._k1, self._b, int(mark), version, entries)
            before, self._versions = self._versions, [*self._versions, version]
            self._folder.commit(manifest, before=before)
            self._mark, self._versions = int(mark), [version]
            self._folder.sweep(_files(written))

    def compact(self) -> None:
        """Write segments together as far as they fit, without what was deleted; `save` makes it durable."""
        with self._writing:
            parts = self._now().parts
            packed = []
            for group in pack([_load(one) for one in parts]):
                one = parts[group[0]]
                untouched = len(group) == 1 and one.dead is None
                packed.append(one if untouched else self._merged([parts[place] for place in group]))
            self._snapshot = Snapshot(tuple(packed))

    def close(self) -> None:
        """Release files and memory; changes since `save` are lost."""
        self._snapshot = None

    def _now(self) -> Snapshot:
        if self._snapshot is None:
            raise InputError("this index is closed")
        return self._snapshot

    def _attach(self, folder: Folder) -> None:
        if not self._analyzer.name:
            raise InputError(
                "an analyzer in a folder needs a name", hint="FunctionAnalyzer(function, name='what it does')"
            )
        self._folder = folder

    def _tidy(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """Merge until there is nothing to merge."""
        while (places := choose([_load(one) for one in parts])) is not None:
            merged = self._merged([parts[place] for place in places])
            parts = (*(one for place, one in enumerate(parts) if place not in places), merged)
        return parts

    def _merged(self, parts: Sequence[Part]) -> Part:
        return self._stored(merge([(one.segment, one.dead) for one in parts]))

    def _stored(self, segment: Segment) -> Part:
        """Return a part of a new segment, which a large one leaves memory for."""
        one = part(segment)
        if self._folder is None or segment.nbytes < _SPILLED:
            return one
        return self._written(one, self._folder)

    def _written(self, one: Part, folder: Folder) -> Part:
        """Return the part with all its files written."""
        if one.file is None:
            name = folder.add(one.segment)
            one = replace(one, segment=folder.read(name), file=name)
        if one.dead is not None and one.dead_file is None:
            one = replace(one, dead_file=folder.add_deleted(one.dead))
        return one


def _checked(ids: Int64 | Sequence[int], name: str) -> Int64:
    """Return ids as int64 [n]."""
    given = np.asarray(ids)
    if given.ndim == 1 and not given.size:
        return np.empty(0, np.int64)
    if (
        given.ndim != 1
        or given.dtype.kind not in "iu"
        or (given.dtype.kind == "u" and given.max() > np.iinfo(np.int64).max)
    ):
        raise InputError(f"{name}: expected whole numbers, int64 [n], not {given.dtype} {list(given.shape)}")
    return given.astype(np.int64, copy=False)


def _ascending(ids: Int64) -> Int64:
    """Return distinct ids in order; those of a database are, and a check is faster than sorting."""
    return ids if np.all(ids[1:] > ids[:-1]) else np.unique(ids)


def _batches(ids: Int64, texts: Sequence[str]) -> Iterator[list[int]]:
    """Cut documents into batches; yield places by ascending id, of equal ids the last one alone."""
    start, characters = 0, 0
    for end, text in enumerate(texts, start=1):
        characters += len(text)
        if end == len(texts) or end - start >= _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            last = {int(id): place for place, id in enumerate(ids[start:end], start=start)}
            yield [last[id] for id in sorted(last)]
            start, characters = end, 0


def _load(one: Part) -> Load:
    dead = 1 - one.documents / len(one.segment.ids)
    fullness = max(one.documents / MOST_DOCUMENTS, one.segment.size * (1 - dead) / _MOST_POSTINGS)
    return Load(fullness, dead, int(one.segment.ids[0]))


def _files(parts: Sequence[Part]) -> set[str]:
    return {name for one in parts for name in (one.file, one.dead_file) if name is not None}

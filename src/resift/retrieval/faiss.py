"""Dense recall: vectors of texts in FAISS, with additions, deletions, filters, and a folder that survives crashes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from resift.closing import Closing
from resift.errors import EngineClosed, InputError
from resift.retrieval import faiss_base
from resift.retrieval.encoders import as_encoder
from resift.retrieval.faiss_base import Kind, Layout, Storage
from resift.retrieval.faiss_content import Content
from resift.retrieval.faiss_folder import MANIFEST, Folder, Manifest, read_folder
from resift.retrieval.protocols import Encoder, Hit
from resift.retrieval.vectors import as_ids, as_texts, as_unit
from resift.text.inputs import one_of, positive
from resift.types import Int64


@dataclass(frozen=True, slots=True)
class FaissInfo:
    """What an index is like.

    Attributes:
        documents: that can be found.
        settled: vectors in the FAISS index, deleted ones included.
        recent: vectors that are compared one by one, deleted ones included.
        nlist: lists of an `ivf` index that is trained; None for the others.
    """

    kind: Kind
    storage: Storage
    encoder: str | None
    dimension: int | None
    documents: int
    settled: int
    recent: int
    nlist: int | None


class FaissIndex(Closing):
    """An index of vectors: those of texts, by an encoder, or the caller's own. Scores are cosines.

    The latest vectors are compared one by one. When they are more than `buffer`, and more than an eighth of the others,
    they go into the FAISS index, which is made then. So a small index is exact whatever its kind, and one text more is
    found at once and costs little. Deleted vectors are left out by searches; once they are a quarter, the next addition
    or save builds the FAISS index without them.

    Scores are computed from the stored vectors in one way only: equal vectors have equal scores, and hits are sorted by
    (-score, id). A vector of zeros, as of an empty text, is never found and finds nothing. Safe from many threads; a
    search sees all of a change or nothing. One process may write to a folder, others may open and search it.

    >>> index = FaissIndex(dimension=2)
    >>> index.add_vectors([7, 8], [[1.0, 0.0], [3.0, 4.0]])
    >>> index.search_vector([0.0, 2.0], top_k=1)
    [Hit(id=8, score=0.800000011920929)]
    """

    def __init__(
        self,
        *,
        encoder: str | Encoder | Callable[..., Any] | None = None,
        dimension: int | None = None,
        kind: Kind | None = None,
        storage: Storage | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
        ef_search: int | None = None,
        nlist: int | None = None,
        nprobe: int | None = None,
        buffer: int | None = None,
    ) -> None:
        """Make an empty index in memory. Raises InputError for options that are none, MissingExtra without FAISS.

        Args:
            encoder: anything that `as_encoder` takes. None is the embedded model, or with a `dimension` no encoder.
            dimension: of the caller's own vectors.
            kind: `flat` (the default), `hnsw` or `ivf`; see `resift.retrieval.faiss_base.Layout` for it and the others.
            storage: `fp32` (the default), `fp16` or `int8`.
            m: of `hnsw`: 32.
            ef_construction: of `hnsw`: 100.
            ef_search: of `hnsw`: 128.
            nlist: of `ivf`; chosen from the number of vectors.
            nprobe: of `ivf`; chosen from the number of lists.
            buffer: vectors that are compared one by one before there is a FAISS index: 4096.
        """
        faiss_base.library()
        given = {"m": m, "ef_construction": ef_construction, "ef_search": ef_search, "nlist": nlist, "nprobe": nprobe}
        asked = _asked({"kind": kind, "storage": storage, **given, "buffer": buffer})
        self._layout = replace(Layout(), **asked)
        self._dimension = None if dimension is None else positive("dimension", dimension, 1)
        self._encoder = as_encoder(encoder) if encoder is not None or dimension is None else None
        self._owns = encoder is None or isinstance(encoder, str)
        self._mark = 0
        self._content: Content | None = Content(None, None)
        self._folder: Folder | None = None
        self._writing = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        encoder: str | Encoder | Callable[..., Any] | None = None,
        dimension: int | None = None,
        kind: Kind | None = None,
        storage: Storage | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
        ef_search: int | None = None,
        nlist: int | None = None,
        nprobe: int | None = None,
        buffer: int | None = None,
    ) -> "FaissIndex":
        """Open the index of a folder, or make one there. The FAISS index is mapped, not read.

        What is None is as it was when the folder was made. `ef_search`, `nprobe` and `buffer` may change; raises
        InputError when another argument contradicts the folder, and StoreDamaged when a file of it is not as written.
        """
        given = {"m": m, "ef_construction": ef_construction, "ef_search": ef_search, "nlist": nlist, "nprobe": nprobe}
        asked = _asked({"kind": kind, "storage": storage, **given, "buffer": buffer})
        path = Path(folder)
        found = read_folder(path)
        if found is not None:
            manifest = found[0].manifest
            _check_same(path, asked, manifest)
            asked = {**asdict(manifest.layout), **asked}
            if encoder is None and manifest.encoder is None and dimension is None:
                dimension = manifest.dimension  # vectors of the caller's own: no encoder is missing
        index = cls(encoder=encoder, dimension=dimension, **asked)
        if found is None:
            index._folder = Folder.create(path, index._manifest(mark=0))
        else:
            index._take(*found)
        return index

    @property
    def mark(self) -> int:
        """The number given to the last `save`; 0 for a new index."""
        return self._mark

    @property
    def encoder(self) -> Encoder | None:
        """What makes vectors of texts; None in an index of vectors only."""
        return self._encoder

    @property
    def info(self) -> FaissInfo:
        """What the index is like now."""
        content = self._now()
        base = content.base
        return FaissInfo(
            self._layout.kind,
            self._layout.storage,
            None if self._encoder is None else self._encoder.name,
            self._dimension,
            content.size,
            0 if base is None else base.rows,
            0 if content.tail is None else content.tail.rows,
            None if base is None or self._layout.kind != "ivf" else base.index.nlist,
        )

    def __len__(self) -> int:
        return self._now().size

    def add(self, ids: Sequence[int] | Int64, texts: Sequence[str]) -> None:
        """Index texts under ids; a document whose id is there is replaced. An id that comes twice: the last counts."""
        self._now()
        found = as_texts(texts, "texts")
        self.add_vectors(ids, self._encoding().encode_documents(found) if found else np.empty((0, 1), np.float32))

    def add_vectors(self, ids: Sequence[int] | Int64, vectors: Any) -> None:
        """Index vectors [n, dimension] of any length under ids, as `add` does with texts."""
        numbers = as_ids(ids)
        if len(numbers) != len(vectors):
            raise InputError(f"{len(numbers)} ids and {len(vectors)} documents: expected one id each")
        if not len(numbers):
            return
        units = as_unit(vectors, dimension=self._dimension, source=self._source())
        keep = np.sort(len(numbers) - 1 - np.unique(numbers[::-1], return_index=True)[1])
        said = keep[units[keep].any(axis=1)]
        with self._writing:
            content = self._now().without(numbers[keep])
            if len(said):
                content = content.with_rows(numbers[said], units[said])
            self._content = content.settled(self._layout)
            self._dimension = units.shape[1]

    def delete(self, ids: Sequence[int] | Int64) -> None:
        """Take documents out; ids that are not there are ignored."""
        numbers = np.unique(as_ids(ids))
        with self._writing:  # only marks: what takes long is for `add` and `save`
            self._content = self._now().without(numbers)

    def search(self, query: str, *, top_k: int, among: Sequence[int] | Int64 | None = None) -> list[Hit]:
        """Return at most `top_k` hits, sorted by (-score, id); `among`: only documents of these ids."""
        return self.search_many([query], top_k=top_k, among=among)[0]

    def search_many(
        self, queries: Sequence[str], *, top_k: int, among: Sequence[int] | Int64 | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query, the same as one by one."""
        found = as_texts(queries, "queries")
        if not found or not self._now().size:
            return [[] for _ in found]
        return self.search_vectors(self._encoding().encode_queries(found), top_k=top_k, among=among)

    def search_vector(self, vector: Any, *, top_k: int, among: Sequence[int] | Int64 | None = None) -> list[Hit]:
        """`search` with a vector [dimension] in place of a text."""
        return self.search_vectors(np.asarray(vector)[None], top_k=top_k, among=among)[0]

    def search_vectors(
        self, vectors: Any, *, top_k: int, among: Sequence[int] | Int64 | None = None
    ) -> list[list[Hit]]:
        """`search_many` with vectors [n, dimension] in place of texts."""
        if top_k < 0:
            raise InputError(f"top_k is {top_k}: expected 0 or more")
        content = self._now()
        units = as_unit(vectors, dimension=self._dimension, source=self._source())
        chosen = None if among is None else _rising(as_ids(among))
        said = np.flatnonzero(units.any(axis=1))
        hits: list[list[Hit]] = [[] for _ in units]
        if top_k and len(said):
            for place, one in zip(
                said, content.find(self._layout, units[said], top_k=top_k, among=chosen), strict=True
            ):
                hits[place] = one
        return hits

    def save(self, *, mark: int | None = None, folder: str | Path | None = None) -> None:
        """Make all changes durable, in one step: a crash leaves the last save or this one.

        Args:
            mark: a number to find again in `mark`; None leaves it as it is.
            folder: where an index in memory is kept from now on; it has none yet.

        Raises InputError without any folder, FolderBusy when another process wrote to it meanwhile.
        """
        with self._writing:
            self._content = content = self._now().settled(self._layout)
            home = self._folder
            if folder is not None and home is not None:
                raise InputError(f"the index is kept in {home.path}, and cannot be saved to {folder} too")
            if home is None:
                if folder is None:
                    raise InputError("the index is in memory", hint="name a folder: save(folder=...)")
                home = Folder.create(Path(folder), self._manifest(mark=0))
            made = self._mark if mark is None else mark
            home.save(content, self._manifest(mark=made))
            self._mark, self._folder = made, home

    def compact(self) -> None:
        """Build the index again, without deleted vectors and with the latest ones in it. The next `save` writes it."""
        with self._writing:
            self._content = self._now().rebuilt(self._layout)

    def close(self) -> None:
        """Release files and memory; changes since `save` are lost."""
        with self._writing:
            self._content = None
        close = getattr(self._encoder, "close", None)
        if self._owns and close is not None:
            close()

    def _now(self) -> Content:
        content = self._content
        if content is None:
            raise EngineClosed("the index was closed", hint="open it again")
        return content

    def _encoding(self) -> Encoder:
        if self._encoder is None:
            raise InputError("the index has vectors only and no encoder", hint="give it one: encoder=...")
        return self._encoder

    def _source(self) -> str:
        return "the caller" if self._encoder is None else f"the encoder '{self._encoder.name}'"

    def _manifest(self, *, mark: int) -> Manifest:
        name = None if self._encoder is None else self._encoder.name
        if name is None and self._folder is not None:
            name = self._folder.manifest.encoder  # opened without the encoder: its vectors are still those of it
        return Manifest(self._layout, mark=mark, encoder=name, dimension=self._dimension)

    def _take(self, folder: Folder, content: Content) -> None:
        """Be the index of a folder; raises InputError when the encoder or the dimension contradicts it."""
        kept = folder.manifest
        if self._encoder is not None and kept.encoder is not None and self._encoder.name != kept.encoder:
            raise _contradiction(folder.path, "encoder", kept.encoder, self._encoder.name)
        if None not in (self._dimension, kept.dimension) and self._dimension != kept.dimension:
            raise _contradiction(folder.path, "dimension", kept.dimension, self._dimension)
        self._dimension = self._dimension if kept.dimension is None else kept.dimension
        self._folder, self._content, self._mark = folder, content, kept.mark


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not None; raises InputError for one that is out of its range."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name in ("kind", "storage"):
            one_of(name, value, get_args(Kind if name == "kind" else Storage))
        else:
            positive(name, value, 1)
    if given.get("m") == 1:
        raise InputError("m is 1, expected at least 2 neighbours")
    return given


def _check_same(path: Path, asked: dict[str, Any], manifest: Manifest) -> None:
    """Raise InputError for an option that contradicts the files."""
    kept = asdict(manifest.layout)
    for name in ("kind", "storage", "m", "ef_construction", "nlist"):
        if name in asked and asked[name] != kept[name]:
            raise _contradiction(path, name, kept[name], asked[name])


def _contradiction(path: Path, name: str, kept: Any, asked: Any) -> InputError:
    return InputError(
        f"{path} was made with {name} {kept!r}, and is opened with {asked!r}",
        hint=f"leave out {name}=, or index the documents again in another folder ({MANIFEST} marks this one)",
    )


def _rising(ids: Int64) -> Int64:
    """Return the ids sorted; those of a database mostly are."""
    return ids if bool((ids[1:] >= ids[:-1]).all()) else np.sort(ids)

"""The settled part of a FAISS index: built, grown, searched, read and written. The only module that knows FAISS."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from resift.errors import MissingExtra, StoreDamaged
from resift.retrieval.faiss_tail import Mask
from resift.retrieval.vectors import ROUNDING, cosines
from resift.types import Float32, Int64

Kind: TypeAlias = Literal["flat", "hnsw", "ivf"]
Storage: TypeAlias = Literal["fp32", "fp16", "int8"]

_MARGIN = 16
"""Vectors that are asked for beyond top_k: scores are computed again, exactly, and ties have to be seen."""
_FEW = 0.1
"""Share of the vectors that a filter leaves, below which comparing all of them is faster and misses nothing."""
_MOST_APPROXIMATE = 4096
"""Vectors beyond top_k that an approximate search is asked for because of ties."""
_PER_LIST = 39
"""Vectors that the training of a list needs, as FAISS has it."""
_SAMPLE = 64
"""Vectors of a list that are trained on at most."""
_REACH = 0.1
"""Of the range of each number that int8 leaves free at both ends, for vectors that come later."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How vectors are kept and searched.

    Attributes:
        kind: `flat` compares all; `hnsw` walks a graph; `ivf` looks into the nearest of many lists.
        storage: `fp32`; `fp16`, half the bytes; `int8`, a quarter.
        m: neighbours of a vector in the graph; 2 m on its lowest floor.
        ef_construction: candidates while the graph grows.
        ef_search: candidates while it is searched.
        nlist: lists; None for 4 sqrt(vectors), and chosen again when there are four times as many vectors.
        nprobe: lists that are looked into; None for a sixteenth of them, at least 8.
        buffer: vectors from which on there is a FAISS index; with fewer, and the latest ones, all are compared.
    """

    kind: Kind = "flat"
    storage: Storage = "fp32"
    m: int = 32
    ef_construction: int = 200
    ef_search: int = 64
    nlist: int | None = None
    nprobe: int | None = None
    buffer: int = 4096


@dataclass(frozen=True, slots=True)
class Base:
    """A FAISS index whose own ids are places, and the ids of its documents. Never changed.

    Attributes:
        index: of FAISS.
        ids: int64 [n], by place.
        sorted: ids in rising order, of what was alive when it was made; `ids` itself where they rise.
        order: the places of `sorted`; None where these are 0, 1, 2 ...
        alive: [n]; None for all.
        bits: `alive`, packed as FAISS takes it.
        trained: vectors that there were when its lists were chosen.
        mapped: the file that it is a view of; None when it is in memory.
    """

    index: Any
    ids: Int64
    sorted: Int64
    order: Int64 | None
    alive: Mask | None
    bits: Any
    trained: int
    mapped: Path | None = None

    @classmethod
    def of(cls, index: Any, ids: Int64, alive: Mask | None, *, trained: int, mapped: Path | None = None) -> "Base":
        """Return the base of an index; of the ids that are alive, none is there twice."""
        bits = None if alive is None else _packed(alive)
        if bool((ids[1:] > ids[:-1]).all()):
            return cls(index, ids, ids, None, alive, bits, trained, mapped)
        places = np.arange(len(ids)) if alive is None else np.flatnonzero(alive)
        order = places[np.argsort(ids[places], kind="stable")]
        return cls(index, ids, ids[order], order, alive, bits, trained, mapped)

    @property
    def rows(self) -> int:
        """Vectors, deleted ones included."""
        return len(self.ids)

    @property
    def dead(self) -> int:
        """Vectors that cannot be found any more."""
        return 0 if self.alive is None else self.rows - int(np.count_nonzero(self.alive))

    def places(self, ids: Int64) -> Int64:
        """Return the places of those of these ids that can be found."""
        if not len(self.sorted):
            return np.empty(0, np.int64)
        near = np.minimum(np.searchsorted(self.sorted, ids), len(self.sorted) - 1)
        near = near[self.sorted[near] == ids]
        places: Int64 = near if self.order is None else self.order[near]
        return places if self.alive is None else places[self.alive[places]]

    def without(self, ids: Int64) -> "Base":
        """Return it without these ids; those that are not there are ignored."""
        places = self.places(ids)
        if not len(places):
            return self
        alive = np.ones(self.rows, bool) if self.alive is None else self.alive.copy()
        alive[places] = False
        return replace(self, alive=alive, bits=_packed(alive))

    def allowed(self, among: Int64) -> Mask:
        """Return which places have one of these ids and can be found."""
        mask = np.zeros(self.rows, bool)
        mask[self.places(among)] = True
        return mask

    def living(self) -> tuple[Int64, Float32]:
        """Return copies of the ids and vectors that can be found, in order."""
        vectors: Float32 = self.index.reconstruct_n(0, self.rows)
        if self.alive is None:
            return np.array(self.ids), vectors
        return self.ids[self.alive], vectors[self.alive]


def library() -> Any:
    """Import FAISS; raises MissingExtra where it is not installed."""
    try:
        with warnings.catch_warnings():
            # Of the types that SWIG makes, from Python 3.12 on; FAISS cannot do without them.
            warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
            import faiss
    except ImportError:
        raise MissingExtra("FaissIndex", extra="faiss") from None
    return faiss


def build(layout: Layout, ids: Int64, vectors: Float32) -> Base:
    """Return an index of vectors [n, dimension], trained where its kind or storage needs it."""
    faiss = library()
    count, dimension = vectors.shape
    index = _empty(faiss, layout, dimension, count)
    if not index.is_trained:
        index.train(vectors)
    index.add(vectors)
    if layout.kind == "ivf":
        index.make_direct_map(True)  # vectors are looked up by their places
    return Base.of(index, ids, None, trained=count)


def grown(base: Base, ids: Int64, vectors: Float32) -> Base:
    """Return a copy of the index with these vectors behind its own; none of the ids can be found in it."""
    faiss = library()
    # Subtle: a view of a file aborts the process when it is made larger, and so does a copy of one.
    index = faiss.clone_index(base.index) if base.mapped is None else read_index(base.mapped, view=False)
    index.add(vectors)
    alive = None if base.alive is None else np.append(base.alive, np.ones(len(ids), bool))
    return Base.of(index, np.append(base.ids, ids), alive, trained=base.trained)


def opened(path: Path, ids: Int64, alive: Mask | None, trained: int) -> Base:
    """Return the index of a file as a view of it."""
    return Base.of(read_index(path, view=True), ids, alive, trained=trained, mapped=path)


def read_index(path: Path, *, view: bool) -> Any:
    """Read a file of FAISS, or map it; raises StoreDamaged, which names it, when FAISS refuses it."""
    faiss = library()
    flag = getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP) if view else 0
    try:
        return faiss.read_index(str(path), flag)
    except RuntimeError as error:
        reason = str(error).rsplit("Error: ", 1)[-1]
        raise StoreDamaged(
            f"{path} cannot be read: {reason}", hint="build the index again, in an empty folder"
        ) from None


def write_index(base: Base, path: Path) -> None:
    """Write the file of FAISS."""
    try:
        library().write_index(base.index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path}: {str(error).rsplit('Error: ', 1)[-1]}") from None


def find(
    base: Base, layout: Layout, queries: Float32, *, top_k: int, allowed: Mask | None
) -> Iterator[tuple[Int64, Float32]]:
    """Yield ids and exact scores for each query [n, dimension]: at least `top_k` where the index finds so many.

    A place that is not allowed, or cannot be found any more, is not among them. What is as good as the last of the
    best `top_k` is, too: always where all vectors are compared, and up to a bound in the other kinds.
    """
    faiss = library()
    count = base.rows - base.dead if allowed is None else int(np.count_nonzero(allowed))
    bits = base.bits if allowed is None else _packed(allowed)
    selector = None if bits is None else faiss.IDSelectorBitmap(bits)
    ask = _Asker(faiss, base.index, layout, selector, count)
    fetch = min(top_k + _MARGIN, count)
    # Subtle: from 20 queries on FAISS adds in another order, which would choose other lists for a few of them.
    step = 64 if layout.kind == "flat" else 16
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        if not fetch:
            yield from ((np.empty(0, np.int64), np.empty(0, np.float32)) for _ in part)
            continue
        for query, products, places in zip(part, *ask.search(part, fetch), strict=True):
            found, scores = _settled(ask, query, top_k, products, places)
            yield base.ids[found], scores


@dataclass(frozen=True, slots=True)
class _Asker:
    """One search's way of asking FAISS: among `count` vectors, which `selector` lets through."""

    faiss: Any
    index: Any
    layout: Layout
    selector: Any
    count: int

    @property
    def exhaustive(self) -> bool:
        """Whether all vectors are compared."""
        return self.layout.kind == "flat" or self.count <= _FEW * self.index.ntotal

    @property
    def share(self) -> float:
        return self.count / int(self.index.ntotal)

    def search(self, queries: Float32, fetch: int) -> tuple[Float32, Int64]:
        """Return inner products [n, fetch] and places [n, fetch], -1 where there are no more."""
        faiss, layout, index = self.faiss, self.layout, self.index
        selected = {} if self.selector is None else {"sel": self.selector}
        if layout.kind == "ivf":
            nprobe = index.nlist if self.exhaustive else self._nprobe(fetch)
            parameters = faiss.SearchParametersIVF(nprobe=nprobe, **selected)
        elif layout.kind == "hnsw" and not self.exhaustive:
            wanted = max(layout.ef_search, fetch)
            parameters = faiss.SearchParametersHNSW(efSearch=math.ceil(wanted / self.share), **selected)
        else:
            parameters = faiss.SearchParameters(**selected)
            index = faiss.downcast_index(index.storage) if layout.kind == "hnsw" else index
        products, places = index.search(queries, fetch, params=parameters)
        return products, places

    def _nprobe(self, fetch: int) -> int:
        """Return how many lists to look into: more where a filter leaves little in each, or much is wanted."""
        lists = int(self.index.nlist)
        wanted = max(8, lists // 16) if self.layout.nprobe is None else self.layout.nprobe
        filling = math.ceil(2 * fetch * lists / self.count)
        return min(lists, max(math.ceil(wanted / self.share), filling))


def _settled(ask: _Asker, query: Float32, top_k: int, products: Float32, places: Int64) -> tuple[Int64, Float32]:
    """Return places and exact scores, having asked for more while something as good as the last may be missing."""
    most = ask.count if ask.exhaustive else min(ask.count, top_k + _MOST_APPROXIMATE)
    fetch = len(places)
    while True:
        found = places[places >= 0]
        scores = _scores(ask.index, found, query)
        if len(found) < fetch or fetch >= most or top_k == 0:
            return found, scores
        last = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
        if last > products[-1] + ROUNDING:
            return found, scores
        fetch = min(4 * fetch, most)
        products, places = (rows[0] for rows in ask.search(query[None], fetch))


def _scores(index: Any, places: Int64, query: Float32) -> Float32:
    scores = np.empty(len(places), np.float32)
    for start in range(0, len(places), 4096):  # ties can be many: not all their vectors at once
        part = places[start : start + 4096]
        scores[start : start + len(part)] = cosines(index.reconstruct_batch(part), query)
    return scores


def _empty(faiss: Any, layout: Layout, dimension: int, count: int) -> Any:
    """Return an index without vectors, of as many lists as `count` vectors ask for."""
    product = faiss.METRIC_INNER_PRODUCT
    kinds = {"fp16": faiss.ScalarQuantizer.QT_fp16, "int8": faiss.ScalarQuantizer.QT_8bit}
    quantiser = kinds.get(layout.storage)
    if layout.kind == "flat":
        index = (
            faiss.IndexFlatIP(dimension)
            if quantiser is None
            else faiss.IndexScalarQuantizer(dimension, quantiser, product)
        )
    elif layout.kind == "hnsw":
        index = (
            faiss.IndexHNSWFlat(dimension, layout.m, product)
            if quantiser is None
            else faiss.IndexHNSWSQ(dimension, quantiser, layout.m, product)
        )
        index.hnsw.efConstruction = layout.ef_construction
    else:
        lists = max(1, min(int(4 * math.sqrt(count)), count // _PER_LIST)) if layout.nlist is None else layout.nlist
        nearest, lists = faiss.IndexFlatIP(dimension), min(lists, count)
        index = (
            faiss.IndexIVFFlat(nearest, dimension, lists, product)
            if quantiser is None
            else faiss.IndexIVFScalarQuantizer(nearest, dimension, lists, quantiser, product)
        )
        index.cp.max_points_per_centroid = _SAMPLE
        index.cp.min_points_per_centroid = 1  # few vectors are no reason to write to stderr
    if layout.storage == "int8":
        own = faiss.downcast_index(index.storage) if layout.kind == "hnsw" else index
        own.sq.rangestat_arg = _REACH
    return index


def _packed(mask: Mask) -> Any:
    return np.packbits(mask, bitorder="little")

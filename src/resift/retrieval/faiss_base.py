"""The settled part of a FAISS index: built, grown, read and written. The only module that imports FAISS."""

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from resift.errors import MissingExtra, StoreDamaged
from resift.retrieval.faiss_tail import Mask
from resift.retrieval.faiss_twins import Twins, joined
from resift.types import Float32, Int64

Kind: TypeAlias = Literal["flat", "hnsw", "ivf"]
Storage: TypeAlias = Literal["fp32", "fp16", "int8"]

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
        nprobe: lists that are looked into; None for an eighth of them, at least 8.
        buffer: vectors from which on there is a FAISS index; with fewer, and the latest ones, all are compared.
    """

    kind: Kind = "flat"
    storage: Storage = "fp32"
    m: int = 32
    ef_construction: int = 100
    ef_search: int = 128
    nlist: int | None = None
    nprobe: int | None = None
    buffer: int = 4096


@dataclass(frozen=True, slots=True)
class Filter:
    """Which nodes of a FAISS index a search may find: packed as FAISS takes it, and how many they are."""

    bits: Any
    count: int


@dataclass(frozen=True, slots=True)
class Base:
    """A FAISS index of nodes, and documents, which have places. Never changed.

    A node is a place, but for graphs: there documents of one vector share one node, because the neighbours of many
    equal vectors would be each other, and nothing else would be found behind them.

    Attributes:
        index: of FAISS.
        ids: int64 [places].
        sorted: ids in rising order, of what was alive when it was made; `ids` itself where they rise.
        order: the places of `sorted`; None where these are 0, 1, 2 ...
        twins: which documents share a node; None where none do.
        alive: [places]; None for all.
        filter: `alive`, for FAISS; None for all.
        trained: vectors that there were when its lists were chosen.
        mapped: the file that it is a view of; None when it is in memory.
    """

    index: Any
    ids: Int64
    sorted: Int64
    order: Int64 | None
    twins: Twins | None
    alive: Mask | None
    filter: Filter | None
    trained: int
    mapped: Path | None = None

    @classmethod
    def of(
        cls,
        index: Any,
        ids: Int64,
        alive: Mask | None,
        *,
        trained: int,
        node: Int64 | None = None,
        mapped: Path | None = None,
    ) -> "Base":
        """Return the base of an index; of the ids that are alive, none is there twice; `node` is by place."""
        rising, order = ids, None
        if not bool((ids[1:] > ids[:-1]).all()):
            places = np.arange(len(ids)) if alive is None else np.flatnonzero(alive)
            order = places[np.argsort(ids[places], kind="stable")]
            rising = ids[order]
        twins = None if node is None else Twins.of(node)
        made = cls(index, ids, rising, order, twins, None, None, trained, mapped)
        return made if alive is None else replace(made, alive=alive, filter=made.allowing(alive))

    @property
    def rows(self) -> int:
        """Places, of deleted documents included."""
        return len(self.ids)

    @property
    def dead(self) -> int:
        """Documents that cannot be found any more."""
        return 0 if self.alive is None else self.rows - int(np.count_nonzero(self.alive))

    def allowing(self, mask: Mask) -> Filter:
        """Return the filter for FAISS that lets through what has one of these places."""
        nodes = mask if self.twins is None else self.twins.nodes(mask)
        return Filter(np.packbits(nodes, bitorder="little"), int(np.count_nonzero(nodes)))

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
        return replace(self, alive=alive, filter=self.allowing(alive))

    def allowed(self, among: Int64) -> Mask:
        """Return which places have one of these ids and can be found."""
        mask = np.zeros(self.rows, bool)
        mask[self.places(among)] = True
        return mask

    def living(self) -> tuple[Int64, Float32]:
        """Return copies of the ids and vectors that can be found, in order."""
        vectors: Float32 = self.index.reconstruct_n(0, self.index.ntotal)
        vectors = vectors if self.twins is None else vectors[self.twins.node]
        if self.alive is None:
            return np.array(self.ids), vectors
        return self.ids[self.alive], vectors[self.alive]


def library() -> Any:
    """Import FAISS; raises MissingExtra where it is not installed."""
    try:
        with warnings.catch_warnings():
            # Of SWIG's types (Python 3.12) and of numpy's old names (FAISS 1.9): not ours to mend.
            warnings.simplefilter("ignore", DeprecationWarning)
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
    node = _add(faiss, index, None, vectors)
    if layout.kind == "ivf":
        index.make_direct_map(True)  # vectors are looked up by their places
    return Base.of(index, ids, None, trained=count, node=node)


def grown(base: Base, ids: Int64, vectors: Float32) -> Base:
    """Return a copy of the index with these vectors behind its own; none of the ids can be found in it."""
    faiss = library()
    # Subtle: a view of a file aborts the process when it is made larger, and so does a copy of one.
    index = faiss.clone_index(base.index) if base.mapped is None else read_index(base.mapped, view=False)
    node = _add(faiss, index, None if base.twins is None else base.twins.node, vectors)
    alive = None if base.alive is None else np.append(base.alive, np.ones(len(ids), bool))
    return Base.of(index, np.append(base.ids, ids), alive, trained=base.trained, node=node)


def opened(path: Path, ids: Int64, alive: Mask | None, *, trained: int, node: Int64 | None) -> Base:
    """Return the index of a file as a view of it."""
    return Base.of(read_index(path, view=True), ids, alive, trained=trained, node=node, mapped=path)


def _add(faiss: Any, index: Any, node: Int64 | None, vectors: Float32) -> Int64 | None:
    """Add vectors, and return the node of each place, those before included; None where each place is its node."""
    if not isinstance(index, faiss.IndexHNSW):
        index.add(vectors)
        return None
    storage, before = faiss.downcast_index(index.storage), index.ntotal
    kept = faiss.rev_swig_ptr(storage.codes.data(), before * storage.code_size).reshape(before, -1) if before else ()
    nodes, fresh = joined(kept, storage.sa_encode(vectors))
    index.add(vectors[fresh])
    if node is None and len(fresh) == len(vectors):
        return None
    return np.append(np.arange(before) if node is None else node, nodes)


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

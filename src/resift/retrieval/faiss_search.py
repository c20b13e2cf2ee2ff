"""Searching the settled part of a FAISS index: what is asked of FAISS, and exact scores and ties of what it found."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from resift.retrieval.faiss_base import Base, Layout, library
from resift.retrieval.faiss_tail import Mask
from resift.retrieval.vectors import ROUNDING, cosines
from resift.types import Float32, Int64

_MARGIN = 16
"""Vectors that are asked for beyond top_k: scores are computed again, exactly, and ties have to be seen."""
_FEW = 0.1
"""Share of the vectors that a filter leaves, below which comparing all of them is faster and misses nothing."""
_MOST_APPROXIMATE = 4096
"""Vectors beyond top_k that an approximate search is asked for because of ties."""


def find(
    base: Base, layout: Layout, queries: Float32, *, top_k: int, allowed: Mask | None
) -> Iterator[tuple[Int64, Float32]]:
    """Yield ids and exact scores for each query [n, dimension]: at least `top_k` where the index finds so many.

    A place that is not allowed, or cannot be found any more, is not among them. What is as good as the last of the
    best `top_k` is, too: always where all vectors are compared, and up to a bound in the other kinds.
    """
    faiss = library()
    usable = base.alive if allowed is None else allowed
    through = base.filter if allowed is None else base.allowing(allowed)
    count = int(base.index.ntotal) if through is None else through.count
    selector = None if through is None else faiss.IDSelectorBitmap(through.bits)
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
            if base.twins is not None:
                found, scores = base.twins.places(found, scores, usable)
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
            wanted = max(layout.ef_search, 2 * fetch)
            parameters = faiss.SearchParametersHNSW(efSearch=math.ceil(wanted / self.share), **selected)
        else:
            parameters = faiss.SearchParameters(**selected)
            index = faiss.downcast_index(index.storage) if layout.kind == "hnsw" else index
        products, places = index.search(queries, fetch, params=parameters)
        return products, places

    def _nprobe(self, fetch: int) -> int:
        """Return how many lists to look into: more where a filter leaves little in each, or much is wanted."""
        lists = int(self.index.nlist)
        wanted = max(8, lists // 8) if self.layout.nprobe is None else self.layout.nprobe
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

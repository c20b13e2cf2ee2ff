"""All vectors of a FAISS index: the settled ones and the latest, how they change, and when the latest settle."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from resift.retrieval import faiss_base
from resift.retrieval.faiss_base import Base, Layout
from resift.retrieval.faiss_search import find
from resift.retrieval.faiss_tail import Tail
from resift.retrieval.protocols import Hit
from resift.types import Float32, Int64

_LONGEST_TAIL = 16
"""Times `buffer`: vectors that are compared one by one at most, however large the index."""
_DEAD = 4
"""An index of which one in so many vectors was deleted is built again without them."""
_GROWN = 4
"""Lists are chosen again when there are so many times as many vectors as they were chosen for."""


@dataclass(frozen=True, slots=True)
class Content:
    """A FAISS index, None while there are few vectors, and the latest vectors. Never changed."""

    base: Base | None
    tail: Tail | None

    @property
    def size(self) -> int:
        """Documents that can be found."""
        base, tail = self.base, self.tail
        return (0 if base is None else base.rows - base.dead) + (0 if tail is None else tail.size)

    def without(self, ids: Int64) -> "Content":
        """Return it without these ids, each of which is there once; those that are not there are ignored."""
        base, tail = self.base, self.tail
        return Content(None if base is None else base.without(ids), None if tail is None else tail.without(ids))

    def with_rows(self, ids: Int64, vectors: Float32) -> "Content":
        """Return it with these vectors, none of whose ids is in it."""
        if self.tail is None:
            return Content(self.base, Tail.of(ids, vectors))
        return Content(self.base, self.tail.with_rows(ids, vectors))

    def settled(self, layout: Layout) -> "Content":
        """Return it with the latest vectors in the FAISS index, or built without the deleted ones, if it is time."""
        base, tail = self.base, self.tail
        rows = 0 if tail is None else tail.rows
        if base is None:
            return self if rows <= layout.buffer else self.rebuilt(layout)
        if base.dead * _DEAD > base.rows:
            return self.rebuilt(layout)
        if tail is None or rows <= min(max(layout.buffer, base.rows // 8), _LONGEST_TAIL * layout.buffer):
            return self
        fresh = layout.kind == "ivf" and layout.nlist is None and base.rows + tail.size > _GROWN * base.trained
        if fresh or (layout.kind == "flat" and base.dead):
            return self.rebuilt(layout)
        return Content(faiss_base.grown(base, *tail.living()), None)

    def rebuilt(self, layout: Layout) -> "Content":
        """Return it as it would be if all had been added at once; while it is small, without a FAISS index."""
        parts = [part.living() for part in (self.base, self.tail) if part is not None]
        if not parts:
            return self
        ids, vectors = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        if len(ids) <= layout.buffer:
            return Content(None, Tail.of(ids, vectors))
        return Content(faiss_base.build(layout, ids, vectors), None)

    def find(self, layout: Layout, queries: Float32, *, top_k: int, among: Int64 | None) -> Iterator[list[Hit]]:
        """Yield the hits of each query [n, dimension], sorted by (-score, id); `among` is sorted."""
        found = []
        if self.base is not None:
            allowed = None if among is None else self.base.allowed(among)
            found.append(find(self.base, layout, queries, top_k=top_k, allowed=allowed))
        if self.tail is not None:
            allowed = None if among is None else self.tail.allowed(among)
            found.append(self.tail.find(queries, top_k, allowed))
        if not found:
            yield from ([] for _ in queries)
        for parts in zip(*found, strict=True):
            ids, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            best = np.lexsort((ids, -scores))[:top_k]
            yield [Hit(int(ids[one]), float(scores[one])) for one in best]

"""The young part of a FAISS index: vectors that came lately, compared one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from resift.retrieval.vectors import ROUNDING, cosines
from resift.types import Float32, Int64

Mask: TypeAlias = NDArray[np.bool_]
_AT_ONCE = 64
"""Queries of one matrix product."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Vectors and their ids, in the order in which they came. Every change gives a new one; the old one stays right.

    Subtle: tails of one origin share their arrays, of which each reads its own first rows. So only the latest may grow.

    Attributes:
        ids: int64 [room].
        vectors: float32 [room, dimension], of length 1.
        alive: [rows]; False where the id was deleted or came again.
        place: id -> row of what is alive.
        origin: the same in tails that grew out of each other.
    """

    ids: Int64
    vectors: Float32
    alive: Mask
    place: dict[int, int]
    origin: object = field(default_factory=object)

    @classmethod
    def of(cls, ids: Int64, vectors: Float32) -> "Tail":
        """Return a tail of these rows; no id twice."""
        place = {int(one): row for row, one in enumerate(ids)}
        return cls(ids, vectors, np.ones(len(ids), bool), place)

    @classmethod
    def read(cls, ids: Int64, vectors: Float32, alive: Mask) -> "Tail":
        """Return a tail as it was written, deleted rows included."""
        place = {int(ids[row]): int(row) for row in np.flatnonzero(alive)}
        return cls(ids, vectors, alive, place)

    @property
    def rows(self) -> int:
        """Rows, deleted ones included."""
        return len(self.alive)

    @property
    def size(self) -> int:
        """Rows that can be found."""
        return len(self.place)

    def without(self, ids: Int64) -> "Tail":
        """Return the tail without these ids; those that are not there are ignored."""
        gone = [one for one in ids.tolist() if one in self.place]
        if not gone:
            return self
        place, alive = dict(self.place), self.alive.copy()
        alive[[place.pop(one) for one in gone]] = False
        return replace(self, alive=alive, place=place)

    def with_rows(self, ids: Int64, vectors: Float32) -> "Tail":
        """Return the tail with these rows behind its own; none of the ids is in it."""
        start, end = self.rows, self.rows + len(ids)
        own_ids, own_vectors = self.ids, self.vectors
        if end > len(own_ids):
            room = max(end, 2 * start)
            own_ids, own_vectors = np.empty(room, np.int64), np.empty((room, vectors.shape[1]), np.float32)
            own_ids[:start], own_vectors[:start] = self.ids[:start], self.vectors[:start]
        own_ids[start:end], own_vectors[start:end] = ids, vectors
        alive = np.append(self.alive, np.ones(len(ids), bool))
        place = self.place | {int(one): start + i for i, one in enumerate(ids)}
        return replace(self, ids=own_ids, vectors=own_vectors, alive=alive, place=place)

    def living(self) -> tuple[Int64, Float32]:
        """Return copies of the ids and vectors that can be found, in order."""
        rows = np.flatnonzero(self.alive)
        return self.ids[rows], self.vectors[rows]

    def allowed(self, among: Int64) -> Mask:
        """Return which rows have one of these ids, which are sorted."""
        own = self.ids[: self.rows]
        if not len(among):
            return np.zeros(self.rows, bool)
        near = np.minimum(np.searchsorted(among, own), len(among) - 1)
        return np.asarray(among[near] == own)

    def find(self, queries: Float32, top_k: int, allowed: Mask | None) -> Iterator[tuple[Int64, Float32]]:
        """Yield ids and exact scores for each query [n, dimension]: the best `top_k`, and whatever is as good."""
        rows = np.flatnonzero(self.alive if allowed is None else self.alive & allowed)
        own = self.vectors[: self.rows]
        for start in range(0, len(queries), _AT_ONCE):
            part = queries[start : start + _AT_ONCE]
            for query, products in zip(part, (part @ own.T)[:, rows], strict=True):
                best = rows
                if len(rows) > top_k:
                    last = np.partition(products, len(rows) - top_k)[len(rows) - top_k]
                    best = rows[products >= last - ROUNDING]
                yield self.ids[best], cosines(own[best], query)

"""Everything that can be found at one moment: what a search reads, and nobody changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from resift.retrieval.protocols import Hit
from resift.retrieval.segments import Segment, UInt8, UInt64, damage_seen, norms
from resift.types import Float32, Int64

_FEW = 16
"""Where fewer than one in so many documents of a segment are allowed, lists are searched for them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, and what came over it since.

    Attributes:
        segment: its postings.
        dead: uint8 [documents], 1 for deleted ones; None when there are none.
        file: its name in the folder; None for one that is in memory only.
        dead_file: the same of `dead`.
        documents: those that are left.
        terms: the terms of these, with repetitions.
    """

    segment: Segment
    dead: UInt8 | None
    file: str | None
    dead_file: str | None
    documents: int
    terms: int


def part(segment: Segment, dead: UInt8 | None = None, *, file: str | None = None, dead_file: str | None = None) -> Part:
    """Return a part with its documents and terms counted."""
    lengths = segment.lengths if dead is None else segment.lengths[dead == 0]
    return Part(segment, dead, file, dead_file, len(lengths), int(lengths.sum(dtype=np.int64)))


@dataclass(frozen=True)
class Snapshot:
    """Parts in which no id occurs twice, but for deleted documents."""

    parts: tuple[Part, ...] = ()

    @cached_property
    def documents(self) -> int:
        """Number of documents that can be found."""
        return sum(part.documents for part in self.parts)

    @cached_property
    def terms(self) -> int:
        """Number of their terms, with repetitions."""
        return sum(part.terms for part in self.parts)

    @cached_property
    def _order(self) -> list[int]:
        """Places of the parts, large ones first: their best documents let more of the others be skipped."""
        return sorted(range(len(self.parts)), key=lambda place: -self.parts[place].documents)

    @cached_property
    def _norms(self) -> dict[int, tuple[Float32, float]]:
        return {}

    def norms(self, place: int, *, k1: float, b: float) -> tuple[Float32, float]:
        """Return the norms of a part's documents and the least of them: made once, as long as nothing changes."""
        if place not in self._norms:
            mean = self.terms / self.documents
            made = norms(self.parts[place].segment.lengths, k1=k1, b=b, mean=mean)
            self._norms[place] = made, float(made.min())
        return self._norms[place]

    def search(self, keys: UInt64, *, top_k: int, k1: float, b: float, among: Int64 | None) -> list[Hit]:
        """Return the best documents for a query's terms; `among`: ascending, distinct."""
        with damage_seen():
            return self._search(keys, top_k=top_k, k1=k1, b=b, among=among)

    def _search(self, keys: UInt64, *, top_k: int, k1: float, b: float, among: Int64 | None) -> list[Hit]:
        if not self.terms or not top_k:
            return []
        terms, repeats = np.unique(keys, return_counts=True)
        rows = [part.segment.postings.find(terms) for part in self.parts]
        holders = sum(
            (part.segment.postings.holders(row, part.dead) for part, row in zip(self.parts, rows, strict=True)),
            start=np.zeros(len(terms), np.int64),
        )
        idf = np.log1p((self.documents - holders + 0.5) / (holders + 0.5))
        weights = (idf * repeats).astype(np.float32)
        order = np.argsort(-weights, kind="stable")
        order = order[holders[order] > 0]
        best = _Best(top_k)
        for place in self._order:
            allowed = _allowed(self.parts[place], among)
            if allowed is None:
                continue
            mask, few = allowed
            each, least = self.norms(place, k1=k1, b=b)
            slots, scores = self.parts[place].segment.postings.search(
                rows[place][order], weights[order], each,
                least_norm=least, least=best.least, top_k=top_k, mask=mask, slots=few,
            )  # fmt: skip
            best.add(self.parts[place].segment.ids[slots], scores)
        return best.hits()


class _Best:
    """The best documents so far, by (-score, id)."""

    def __init__(self, top_k: int) -> None:
        self._top_k = top_k
        self._ids: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._scores: Float32 = np.empty(0, np.float32)

    @property
    def least(self) -> float:
        """What a document must reach to be among them."""
        return float(self._scores[-1]) if len(self._scores) >= self._top_k else 0.0

    def add(self, ids: Int64, scores: Float32) -> None:
        if not len(ids):
            return
        ids, scores = np.concatenate([self._ids, ids]), np.concatenate([self._scores, scores])
        order = np.lexsort((ids, -scores))[: self._top_k]
        self._ids, self._scores = ids[order], scores[order]

    def hits(self) -> list[Hit]:
        return [Hit(*one) for one in zip(self._ids.tolist(), self._scores.tolist(), strict=True)]


def _allowed(part: Part, among: Int64 | None) -> tuple[UInt8 | None, npt.NDArray[np.int32] | None] | None:
    """Return a mask or a list of the slots that may be found, both None for all; None where no slot may."""
    if among is None:
        return (None if part.dead is None else (part.dead == 0).view(np.uint8)), None
    slots = part.segment.find(among)
    if part.dead is not None:
        slots = slots[part.dead[slots] == 0]
    if not len(slots):
        return None
    if len(slots) * _FEW < len(part.segment.ids):
        return None, slots.astype(np.int32)
    mask = np.zeros(len(part.segment.ids), np.uint8)
    mask[slots] = 1
    return mask, None


def without(parts: Sequence[Part], ids: Int64) -> tuple[Part, ...]:
    """Return the parts with these documents deleted, ids ascending and distinct; empty parts go."""
    left = []
    for one in parts:
        slots = one.segment.find(ids)
        if one.dead is not None:
            slots = slots[one.dead[slots] == 0]
        if not len(slots):
            left.append(one)
            continue
        dead = np.zeros(len(one.segment.ids), np.uint8) if one.dead is None else one.dead.copy()
        dead[slots] = 1
        changed = part(one.segment, dead, file=one.file)
        if changed.documents:
            left.append(changed)
    return tuple(left)

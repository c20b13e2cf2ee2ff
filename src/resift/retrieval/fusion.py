"""Fusion: several ranked lists of one query into one.

Pure functions on lists of `Hit`, each best first, as every `search` returns them: a document's place is its place in
the list. Ids are of any hashable kind and mean the same document in all lists. Equal fused scores are in the order of
the best place that a document has in any list, then of the lists. A list of weight 0 is left out.

The formulas are those of ranx (Bassani and Romelli 2022), and tests hold its values, with these differences. ranx sorts
lists by score and leaves the order of equal scores open; here the order given counts. A list of equal scores gives 1
each by min-max, where ranx gives 0, as if nothing were found. `max` divides by the largest absolute score, so that
negative scores keep their order.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from resift.errors import InputError

RRF_K = 60
"""Of Cormack, Clarke and Buettcher (2009), who found results alike for a wide range around it."""

Normalisation: TypeAlias = Literal["min-max", "max", "z-score", "rank", "borda", "none"]
Missing: TypeAlias = Literal["zero", "least"]


class Scored(Protocol):
    """A document in a list: `Hit`, or anything like it."""

    @property
    def id(self) -> Hashable:
        """Its id."""

    @property
    def score(self) -> float:
        """How well it matches, higher is better."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one list says about a document.

    Attributes:
        place: in the list, from 1; None when it is not there.
        score: in the list; None when it is not there.
        part: of the fused score that comes from this list.
    """

    place: int | None
    score: float | None
    part: float


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A document of the fused list.

    Attributes:
        id: as in the lists.
        score: the sum of the parts in `shares`.
        shares: one per list, in their order.
    """

    id: Hashable
    score: float
    shares: tuple[Share, ...]


def rrf(
    lists: Sequence[Sequence[Scored]],
    *,
    k: float = RRF_K,
    weights: Sequence[float] | None = None,
    top_k: int | None = None,
) -> list[FusedHit]:
    """Return all documents by the sum of weight / (k + place): reciprocal rank fusion (Cormack et al. 2009).

    Scores count for nothing but their order, so lists whose scores cannot be compared go together. A document that a
    list does not have gets nothing from it.
    """
    if not 0 <= k < math.inf:
        raise InputError(f"k is {k}: expected 0 or more")
    return _fuse(lists, weights, top_k, lambda scores, _: ([1 / (k + place) for place in _places(scores)], 0.0))


def weighted(
    lists: Sequence[Sequence[Scored]],
    *,
    weights: Sequence[float] | None = None,
    normalisation: Normalisation = "min-max",
    missing: Missing | None = None,
    top_k: int | None = None,
) -> list[FusedHit]:
    """Return all documents by the weighted sum of their normalised scores.

    | normalisation | a list's score becomes |
    |---|---|
    | min-max | (score - lowest) / (highest - lowest): 0 to 1 |
    | max | score / largest absolute score: keeps the distance to 0 |
    | z-score | (score - mean) / standard deviation |
    | rank | 1 - (place - 1) / length |
    | borda | 1 - (place - 1) / documents of all lists together |
    | none | itself: for scores of one scale |

    `missing` says what a document gets from a list that does not have it: `zero`, or the `least` that the list gives.
    The default is least for z-scores, whose zero is the mean; the mean of the places left over for borda; zero else.
    """
    if normalisation not in _NORMALISERS:
        raise InputError(f"normalisation is {normalisation!r}", hint=f"one of: {', '.join(_NORMALISERS)}")
    if missing not in (None, "zero", "least"):
        raise InputError(f"missing is {missing!r}", hint="one of: zero, least")
    normalise = _NORMALISERS[normalisation]

    def scale(scores: Sequence[float], documents: int) -> tuple[list[float], float]:
        scaled, otherwise = normalise(scores, documents)
        if missing is None:
            return scaled, otherwise
        return scaled, min(scaled, default=0.0) if missing == "least" else 0.0

    return _fuse(lists, weights, top_k, scale)


def _fuse(
    lists: Sequence[Sequence[Scored]],
    weights: Sequence[float] | None,
    top_k: int | None,
    scale: "Scale",
) -> list[FusedHit]:
    """Sum up what `scale` makes of each list."""
    if top_k is not None and top_k < 0:
        raise InputError(f"top_k is {top_k}: expected 0 or more")
    factors = _checked_weights(weights, len(lists))
    scores = [_checked_scores(hits, number) for number, hits in enumerate(lists, start=1)]
    places: list[dict[Hashable, int]] = [{hit.id: place for place, hit in enumerate(hits)} for hits in lists]
    best: dict[Hashable, tuple[int, int]] = {}  # best place, list: no two documents have both in common
    for number, factor in enumerate(factors):
        for id, place in places[number].items() if factor > 0 else ():
            best[id] = min(best.get(id, (place, number)), (place, number))
    scaled = [scale(one, len(best)) for one in scores]

    def fused(id: Hashable) -> FusedHit:
        shares = []
        for number, factor in enumerate(factors):
            values, otherwise = scaled[number]
            place = places[number].get(id)
            if place is None:
                shares.append(Share(None, None, factor * otherwise))
            else:
                shares.append(Share(place + 1, float(lists[number][place].score), factor * values[place]))
        return FusedHit(id, math.fsum(share.part for share in shares), tuple(shares))

    found = sorted((fused(id) for id in best), key=lambda hit: (-hit.score, best[hit.id]))
    return found[:top_k]


def _checked_scores(hits: Sequence[Scored], number: int) -> list[float]:
    scores = [float(hit.score) for hit in hits]
    if not all(map(math.isfinite, scores)):
        raise InputError(f"list {number} has a score that is no finite number")
    seen: set[Hashable] = set()
    for hit in hits:
        if hit.id in seen:
            raise InputError(f"list {number} has the document {hit.id!r} twice")
        seen.add(hit.id)
    return scores


def _checked_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    if weights is None:
        return [1.0] * count
    factors = [float(weight) for weight in weights]
    if len(factors) != count:
        raise InputError(f"there are {len(factors)} weights for {count} lists")
    if not all(0 <= factor < math.inf for factor in factors):
        raise InputError(f"the weights are {factors}: expected 0 or more")
    return factors


def _places(scores: Sequence[float]) -> range:
    return range(1, len(scores) + 1)


def _min_max(scores: Sequence[float], _: int) -> tuple[list[float], float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores], 0.0


def _max(scores: Sequence[float], _: int) -> tuple[list[float], float]:
    most = max(map(abs, scores), default=0.0)
    return [score / most if most > 0 else 0.0 for score in scores], 0.0


def _z_score(scores: Sequence[float], _: int) -> tuple[list[float], float]:
    if not scores:
        return [], 0.0
    mean = math.fsum(scores) / len(scores)
    spread = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores))
    scaled = [(score - mean) / spread if spread > 0 else 0.0 for score in scores]
    return scaled, min(scaled)


def _rank(scores: Sequence[float], _: int) -> tuple[list[float], float]:
    return [1 - (place - 1) / len(scores) for place in _places(scores)], 0.0


def _borda(scores: Sequence[float], documents: int) -> tuple[list[float], float]:
    left_over = 0.5 - (len(scores) - 1) / (2 * documents) if documents else 0.0
    return [1 - (place - 1) / documents for place in _places(scores)], left_over


def _none(scores: Sequence[float], _: int) -> tuple[list[float], float]:
    return list(scores), 0.0


Scale: TypeAlias = Callable[[Sequence[float], int], tuple[list[float], float]]
"""A list's scores and the number of documents in all lists -> scaled scores, and what a missing document gets."""

_NORMALISERS: dict[str, Scale] = {
    "min-max": _min_max,
    "max": _max,
    "z-score": _z_score,
    "rank": _rank,
    "borda": _borda,
    "none": _none,
}

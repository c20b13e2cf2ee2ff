"""Weights of a fusion from judged queries, and what they are worth on queries that they were not chosen by."""

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from resift.errors import InputError
from resift.retrieval.fusion import FusedHit, Scored, weighted


class Fusion(Protocol):
    """`rrf` or `weighted`, or one of them with other options in it (`functools.partial`)."""

    def __call__(
        self, lists: Sequence[Sequence[Scored]], *, weights: Sequence[float] | None, top_k: int | None
    ) -> Sequence[FusedHit]:
        """Return the fused list."""


@dataclass(frozen=True, slots=True)
class FittedWeights:
    """The best weights of a grid, and mean nDCG of these and of others.

    Attributes:
        weights: one per list, 1 in all.
        fitted: nDCG with them on the queries that they were chosen by: too good.
        held_out: nDCG where each fifth of the queries gets weights chosen by the other four: what to expect.
        equal: nDCG with equal weights.
        alone: nDCG of each list by itself.
    """

    weights: tuple[float, ...]
    fitted: float
    held_out: float
    equal: float
    alone: tuple[float, ...]


def fit_weights(
    runs: Sequence[Mapping[str, Sequence[Scored]]],
    relevant: Mapping[str, Mapping[Hashable, float]],
    *,
    fusion: Fusion = weighted,
    depth: int = 10,
    steps: int = 10,
    folds: int = 5,
) -> FittedWeights:
    """Return the weights, whole multiples of 1 / `steps`, of the highest mean nDCG@`depth`.

    `runs` have a list per query for each retriever, `relevant` the grades of its documents (1 or more for relevant
    ones; gain 2^grade - 1). Queries without a relevant document are left out; a query that a run does not have has an
    empty list there. Of equally good weights the most even ones win. Raises InputError for fewer queries than folds.
    """
    queries = sorted(query for query, grades in relevant.items() if any(grade > 0 for grade in grades.values()))
    if len(runs) < 2 or folds < 2 or steps < 1 or depth < 1:
        raise InputError(
            f"{len(runs)} runs, {folds} folds, {steps} steps, depth {depth}: expected at least 2, 2, 1 and 1"
        )
    if len(queries) < folds:
        raise InputError(
            f"{len(queries)} queries with a relevant document: expected at least {folds}, one in each fold"
        )
    lists = [[run.get(query, ()) for run in runs] for query in queries]

    def measure(weights: Sequence[float]) -> list[float]:
        return [
            _ndcg([hit.id for hit in fusion(one, weights=weights, top_k=depth)], relevant[query], depth)
            for query, one in zip(queries, lists, strict=True)
        ]

    grid = sorted(_grid(len(runs), steps), key=lambda weights: sum(weight * weight for weight in weights))
    values = {weights: measure(weights) for weights in grid}
    whole = _best(values, range(len(queries)))
    held_out = []
    for fold in range(folds):
        chosen = _best(values, [place for place in range(len(queries)) if place % folds != fold])
        held_out.extend(values[chosen][fold::folds])
    alone = [tuple(float(place == number) for place in range(len(runs))) for number in range(len(runs))]
    return FittedWeights(
        weights=whole,
        fitted=_mean(values[whole]),
        held_out=_mean(held_out),
        equal=_mean(measure([1.0] * len(runs))),
        alone=tuple(_mean(values[one]) for one in alone),
    )


def _grid(lists: int, steps: int) -> Iterator[tuple[float, ...]]:
    """All weights that are multiples of 1 / steps and add up to 1."""
    for bars in itertools.combinations(range(steps + lists - 1), lists - 1):
        edges = (-1, *bars, steps + lists - 1)
        yield tuple((after - before - 1) / steps for before, after in itertools.pairwise(edges))


def _best(values: Mapping[tuple[float, ...], Sequence[float]], places: Sequence[int]) -> tuple[float, ...]:
    """Return the first weights of the highest sum over those queries."""
    return max(values, key=lambda weights: math.fsum(values[weights][place] for place in places))


def _ndcg(found: Sequence[Hashable], grades: Mapping[Hashable, float], depth: int) -> float:
    """Järvelin and Kekäläinen 2002, with gains of 2^grade - 1."""
    gains = [2 ** max(grades.get(id, 0), 0) - 1 for id in found[:depth]]
    ideal = sorted((2 ** max(grade, 0) - 1 for grade in grades.values()), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)

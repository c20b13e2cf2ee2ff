"""Two rankings of the same queries side by side: the difference, its interval, its p-value, and whom it hurts."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resift.evaluation.records import relevant
from resift.evaluation.significance import (
    ROUNDS,
    Float64,
    bootstrap_interval,
    minimum_detectable,
    sign_flip_test,
)
from resift.experiments.statistics import holm

_EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one row of the table differs from another, on one metric.

    Attributes:
        row, against: their names.
        difference: the mean of row - against over the queries.
        interval: 95% bootstrap interval of it.
        p: of the paired randomisation test, two-sided.
        p_holm: the same, adjusted for all comparisons of its family.
        exact: all sign patterns were tried.
        detectable: the true difference that these queries would show 4 times in 5; None when it cannot be told.
        helped, hurt, unchanged: queries.
    """

    row: str
    against: str
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float
    exact: bool
    detectable: float | None
    helped: int
    hurt: int
    unchanged: int


def compare_rows(
    pairs: Sequence[tuple[str, str]],
    values: Mapping[str, Float64],
    *,
    clusters: Sequence[Hashable] | None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> list[Comparison]:
    """Compare each (row, against) by their values for the same queries; Holm's correction is over all of them."""
    found = [
        _compare((row, against), values[row] - values[against], clusters, rounds=rounds, seed=seed)
        for row, against in pairs
    ]
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]


def _compare(
    names: tuple[str, str], differences: Float64, clusters: Sequence[Hashable] | None, *, rounds: int, seed: int
) -> Comparison:
    tested = sign_flip_test(differences, clusters=clusters, rounds=rounds, seed=seed)
    return Comparison(
        row=names[0],
        against=names[1],
        difference=float(differences.mean()),
        interval=bootstrap_interval(differences, clusters=clusters, rounds=rounds, seed=seed),
        p=tested.p,
        p_holm=tested.p,
        exact=tested.exact,
        detectable=minimum_detectable(differences, clusters=clusters),
        helped=int((differences > _EQUAL).sum()),
        hurt=int((differences < -_EQUAL).sum()),
        unchanged=int((np.abs(differences) <= _EQUAL).sum()),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A query that reranking changed most.

    Attributes:
        query, text, language: which.
        before, after: the metric.
        relevant: the relevant document that moved furthest in the direction of the change: its id, its text, and its
            ranks from 1; None when no relevant document was found.
        rank_before, rank_after: of that document.
        first, first_text: what stands first now, and its text.
        first_grade: its judgement; None when it has none.
    """

    query: str
    text: str
    language: str | None
    before: float
    after: float
    relevant: str | None
    relevant_text: str | None
    rank_before: int | None
    rank_after: int | None
    first: str
    first_text: str
    first_grade: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A query as `describe` needs it: its text, judgements, and the order before and after."""

    query: str
    text: str
    language: str | None
    grades: Mapping[str, int]
    before: Sequence[str]
    after: Sequence[str]


def describe(seen: Seen, texts: Mapping[str, str], before: float, after: float) -> Change:
    """Return what happened to one query."""
    down = {document: place for place, document in enumerate(seen.before, start=1)}
    now = {document: place for place, document in enumerate(seen.after, start=1)}
    sign = 1 if after < before else -1
    moved = max(
        (document for document in relevant(seen.grades) if document in now),
        key=lambda document: (sign * (now[document] - down[document]), -down[document]),
        default=None,
    )
    return Change(
        query=seen.query,
        text=seen.text,
        language=seen.language,
        before=before,
        after=after,
        relevant=moved,
        relevant_text=texts[moved] if moved is not None else None,
        rank_before=down[moved] if moved is not None else None,
        rank_after=now[moved] if moved is not None else None,
        first=seen.after[0],
        first_text=texts[seen.after[0]],
        first_grade=seen.grades.get(seen.after[0]),
    )


def most_changed(differences: Float64, count: int, *, worst: bool) -> list[int]:
    """Return the places of the queries that lost (or won) most, those that lost none left out."""
    signed = differences if worst else -differences
    rising = np.argsort(signed, kind="stable")[:count]
    return [int(place) for place in rising if signed[place] < -_EQUAL]

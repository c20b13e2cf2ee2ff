"""Fit a calibration to labelled scores, and measure on held-out queries what it is worth.

Queries are dealt into folds, and the pairs of each fold are judged by curves that were fitted without them. What is
saved is fitted on all pairs. A group has its own curve where it has pairs enough and that curve's held-out log loss is
lower than the shared one's: two parameters on at least 50 pairs of each label vary little, so nothing is gained by
shrinking them towards the shared ones, and a group of fewer pairs is better off with those.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from resift.calibration.conditions import Conditions
from resift.calibration.conformal import LEVELS, cutoffs, queries_needed
from resift.calibration.fitting import Bools, fit_isotonic, fit_platt
from resift.calibration.maps import Curve, Float64, logistic
from resift.calibration.measures import Estimate, Judge
from resift.calibration.records import SHARED, Calibration, Part
from resift.calibration.report import CutoffRow, GroupRow, Report
from resift.errors import InputError

Method: TypeAlias = Literal["auto", "platt", "isotonic"]
METHODS = ("auto", "platt", "isotonic")
SHOWN = (0.8, 0.9, 0.95, 0.99)
"""The shares to keep that a report shows."""

MIN_QUERIES = MIN_EACH = 20
"""Below these a fit is refused; below the next ones it comes with a warning."""
FEW_QUERIES, FEW_EACH = 50, 100
MIN_GROUP_EACH, MIN_GROUP_QUERIES = 50, 20
MIN_ISOTONIC_PAIRS, MIN_ISOTONIC_EACH = 1000, 100
"""Niculescu-Mizil and Caruana (2005): below about 1000 pairs isotonic curves fit chance."""
_FOLDS = 5

_FITS: Mapping[str, Callable[[Float64, Bools], Curve]] = {"platt": fit_platt, "isotonic": fit_isotonic}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled pairs with their raw scores, all of one length.

    Attributes:
        scores: raw scores, float64.
        relevant: labels.
        queries: whatever tells queries apart; pairs of one query go together, as do translations of one question when
            they have the same name here.
        groups: names, or None for pairs of no group.
    """

    scores: Float64
    relevant: Bools
    queries: npt.NDArray[np.intp]
    groups: npt.NDArray[np.object_]

    @classmethod
    def of(
        cls,
        scores: npt.ArrayLike,
        relevant: npt.ArrayLike,
        queries: Sequence[str],
        groups: Sequence[str | None] | None = None,
    ) -> "Labelled":
        """Return checked arrays; raises InputError for other lengths, labels or scores."""
        s, y = np.asarray(scores, np.float64), np.asarray(relevant)
        named = [None] * len(s) if groups is None else list(groups)
        if not len(s) == len(y) == len(queries) == len(named):
            raise InputError(f"{len(s)} scores, {len(y)} labels, {len(queries)} queries, {len(named)} groups")
        if not np.isfinite(s).all():
            raise InputError("a score is not a finite number")
        if not np.isin(y, (0, 1)).all():
            raise InputError("a label is neither 0 nor 1")
        if SHARED in named:
            raise InputError(f"a group cannot have the name {SHARED!r}: it is that of the curve for all groups")
        numbers = {query: i for i, query in enumerate(dict.fromkeys(queries))}
        places = np.array([numbers[query] for query in queries], np.intp)
        return cls(s, y.astype(bool), places, np.array(named, object))

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, chosen: Bools) -> "Labelled":
        """Return some of the pairs."""
        return Labelled(self.scores[chosen], self.relevant[chosen], self.queries[chosen], self.groups[chosen])

    @property
    def counts(self) -> tuple[int, int, int]:
        """Queries, pairs, relevant pairs."""
        return len(np.unique(self.queries)), len(self), int(self.relevant.sum())


def fit(
    labelled: Labelled, conditions: Conditions, *, method: Method = "auto", seed: int = 0
) -> tuple[Calibration, Report]:
    """Return a calibration and how good it is on queries that it was not fitted to.

    `auto` takes Platt's curve, unless there are pairs enough for an isotonic one whose held-out log loss is lower by
    more than chance (its 95% interval). Raises InputError for too few pairs, pairs of one label, or scores that do not
    rise with relevance.
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    warnings = _checked(labelled)
    folds = _folds(labelled, seed)
    judge = Judge(labelled.relevant, labelled.queries, seed=seed)
    held = {name: _held_out(labelled, folds, _FITS[name]) for name in _candidates(labelled, method)}
    chosen = next(iter(held))
    if len(held) == 2 and judge.gain(held["platt"], held["isotonic"]).low > 0:
        chosen = "isotonic"
    after = held[chosen].copy()
    parts, rows = {}, []
    for name in sorted({group for group in labelled.groups if group is not None}):
        part, row, warning = _group(labelled, folds, name, chosen, after)
        parts[name] = part
        rows.append(row)
        warnings += warning
    calibration = Calibration(
        chosen, conditions, _part(labelled, _FITS[chosen](labelled.scores, labelled.relevant)), parts
    )
    before = logistic(labelled.scores)
    return calibration, Report(
        method=chosen,
        name=calibration.name,
        model=conditions.model,
        precision=conditions.precision,
        counts=labelled.counts,
        warnings=tuple(warnings),
        before=judge.quality(before),
        after=judge.quality(after),
        gain=judge.gain(before, after),
        curves={name: judge.quality(p).log_loss for name, p in held.items()},
        groups=tuple(rows),
        cutoffs=tuple(_cutoff_rows(labelled, folds, calibration)),
    )


def _checked(labelled: Labelled) -> list[str]:
    """Raise InputError for pairs that no calibration can be fitted to; return what makes one doubtful."""
    queries, pairs, relevant = labelled.counts
    given = f"{queries} queries, {relevant} relevant and {pairs - relevant} irrelevant pairs"
    if min(relevant, pairs - relevant) < MIN_EACH or queries < MIN_QUERIES:
        raise InputError(
            f"too little to calibrate on: {given}; expected {MIN_QUERIES} queries and {MIN_EACH} pairs of each label, "
            "or more",
            hint="label more of what your search finds, the irrelevant documents too",
        )
    warnings = []
    if min(relevant, pairs - relevant) < FEW_EACH or queries < FEW_QUERIES:
        warnings.append(
            f"few labels ({given}): the intervals say how little they tell; {FEW_QUERIES} queries and {FEW_EACH} pairs "
            "of each label are a start"
        )
    if 2 * relevant > pairs:
        warnings.append(
            f"more pairs are relevant than not ({given}): probabilities hold for documents in this proportion, which "
            "is seldom that of a search"
        )
    relevant_of = np.bincount(labelled.queries, weights=labelled.relevant)
    pairs_of = np.bincount(labelled.queries)
    if not ((relevant_of > 0) & (relevant_of < pairs_of)).any():
        warnings.append(
            "no query has both relevant and irrelevant documents: what is fitted is the difference of queries, too"
        )
    return warnings


def _candidates(labelled: Labelled, method: Method) -> tuple[str, ...]:
    if method != "auto":
        return (method,)
    _, pairs, relevant = labelled.counts
    enough = pairs >= MIN_ISOTONIC_PAIRS and min(relevant, pairs - relevant) >= MIN_ISOTONIC_EACH
    return ("platt", "isotonic") if enough else ("platt",)


def _folds(labelled: Labelled, seed: int) -> npt.NDArray[np.intp]:
    """Return the fold of each pair: queries with a relevant document, and those without, are dealt out evenly."""
    count = int(labelled.queries.max()) + 1
    mixed = np.random.default_rng(seed).permutation(count)
    has = np.bincount(labelled.queries, weights=labelled.relevant, minlength=count) > 0
    order = mixed[np.argsort(~has[mixed], kind="stable")]
    fold_of = np.empty(count, np.intp)
    fold_of[order] = np.arange(count) % _FOLDS
    return fold_of[labelled.queries]


def _held_out(labelled: Labelled, folds: npt.NDArray[np.intp], fitted: Callable[[Float64, Bools], Curve]) -> Float64:
    """Return the probability of each pair by a curve that was fitted to the other folds."""
    found = np.empty(len(labelled))
    for fold in np.unique(folds):
        out = folds == fold
        found[out] = fitted(labelled.scores[~out], labelled.relevant[~out])(labelled.scores[out])
    return found


def _group(
    labelled: Labelled, folds: npt.NDArray[np.intp], name: str, method: str, after: Float64
) -> tuple[Part, GroupRow, list[str]]:
    """Fit one group where that can be done and helps; `after` gets its held-out probabilities."""
    here = labelled.groups == name
    own, own_folds = labelled.where(here), folds[here]
    queries, pairs, relevant = own.counts
    judge = Judge(own.relevant, own.queries)
    shared = after[here]
    curve, gain, warnings = None, None, []
    enough = min(relevant, pairs - relevant) >= MIN_GROUP_EACH and queries >= MIN_GROUP_QUERIES
    if method == "isotonic":
        enough = enough and pairs >= MIN_ISOTONIC_PAIRS and min(relevant, pairs - relevant) >= MIN_ISOTONIC_EACH
    if enough:
        try:
            held = _held_out(own, own_folds, _FITS[method])
            fitted = _FITS[method](own.scores, own.relevant)
        except InputError as error:
            warnings.append(f"group {name!r} has the shared curve: {error.message}")
        else:
            gain = judge.gain(shared, held)
            if gain.value > 0:
                curve, after[here] = fitted, held
    else:
        warnings.append(
            f"group {name!r} is too small for a curve of its own ({queries} queries, {relevant} relevant and "
            f"{pairs - relevant} irrelevant pairs): it has the shared one"
        )
    row = GroupRow(
        name=name,
        counts=own.counts,
        own=curve is not None,
        before=judge.quality(logistic(own.scores)),
        shared=judge.quality(shared),
        after=judge.quality(after[here]),
        gain=gain,
    )
    return _part(own, curve), row, warnings


def _part(labelled: Labelled, curve: Curve | None) -> Part:
    found = cutoffs(labelled.scores[labelled.relevant], labelled.queries[labelled.relevant])
    return Part(*labelled.counts, curve=curve, cutoffs=tuple(found))


def _cutoff_rows(labelled: Labelled, folds: npt.NDArray[np.intp], calibration: Calibration) -> list[CutoffRow]:
    """Return the cut-offs of the shown levels, and what those of the other folds do to each fold."""
    rows = []
    for name, part in [(SHARED, calibration.shared), *calibration.groups.items()]:
        here = np.ones(len(labelled), bool) if name == SHARED else labelled.groups == name
        some, fold = labelled.where(here), folds[here]
        with_relevant = len(np.unique(some.queries[some.relevant]))
        for level in SHOWN:
            cutoff = part.cutoffs[LEVELS.index(level)]
            kept = _held_out_kept(some, fold, level) if np.isfinite(cutoff) else None
            rows.append(
                CutoffRow(
                    group=name,
                    keep=level,
                    queries=with_relevant,
                    needed=queries_needed(level),
                    raw=float(cutoff) if np.isfinite(cutoff) else None,
                    probability=float(calibration.apply(cutoff, group=name)) if np.isfinite(cutoff) else None,
                    kept=None if kept is None else kept[0],
                    dropped=None if kept is None else kept[1],
                )
            )
    return rows


def _held_out_kept(labelled: Labelled, folds: npt.NDArray[np.intp], level: float) -> tuple[Estimate, float]:
    """Return the share of relevant passages kept, each query counting once, and of irrelevant ones dropped."""
    over = np.empty(len(labelled), bool)
    for fold in np.unique(folds):
        out = folds == fold
        learn = labelled.where(~out & labelled.relevant)
        over[out] = labelled.scores[out] >= cutoffs(learn.scores, learn.queries, (level,))[0]
    y = labelled.relevant
    _, query = np.unique(labelled.queries[y], return_inverse=True)
    shares = np.bincount(query, weights=over[y]) / np.bincount(query)
    return _mean(shares), float(1 - over[~y].mean())


def _mean(shares: Float64) -> Estimate:
    """Return the mean of a share over queries with a Wilson interval, as of so many single trials."""
    n, p, z = len(shares), float(shares.mean()), 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Estimate(p, float(centre - half), float(centre + half))

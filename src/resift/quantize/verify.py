"""How far a quantised model's scores are from those of full precision, on the same pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resift.types import Document, Float32

DEPTH = 10


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """A pair to compare scores on.

    Attributes:
        query: pairs of one query form one ranking.
        document: its document.
        label: its relevance, 0 or more, where it is known.
    """

    query: str
    document: Document
    label: float | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a quantised model may lose.

    Attributes:
        spearman: the least rank correlation of all scores.
        overlap: the least mean overlap of the first documents (see `Comparison`).
        change: the largest change of a raw score; None for any, since the range of scores is a model's own.
        ndcg_drop: the largest loss of nDCG@10, where there are labels.
    """

    spearman: float = 0.98
    overlap: float = 0.95
    change: float | None = None
    ndcg_drop: float = 0.01


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores of the same pairs in full precision and quantised.

    Attributes:
        pairs, queries: how many.
        spearman: rank correlation over all pairs; None when the scores do not differ.
        overlap: share of the first documents in full precision that are first quantised too, mean over the queries;
            the first 10, or half where there are fewer than 20. None when no query has two documents.
        largest_change: of a raw score.
        spread: standard deviation of the raw scores in full precision.
        ndcg: nDCG@10 in full precision and quantised; None without labels.
    """

    pairs: int
    queries: int
    spearman: float | None
    overlap: float | None
    largest_change: float
    spread: float
    ndcg: tuple[float, float] | None

    def failures(self, tolerance: Tolerance) -> list[str]:
        """Say what is beyond the tolerance; empty when all is well."""
        found = []
        if self.spearman is not None and self.spearman < tolerance.spearman:
            found.append(f"Spearman {self.spearman:.4f} is below {tolerance.spearman}")
        if self.overlap is not None and self.overlap < tolerance.overlap:
            found.append(f"top-{DEPTH} overlap {self.overlap:.3f} is below {tolerance.overlap}")
        if tolerance.change is not None and self.largest_change > tolerance.change:
            found.append(f"a score changed by {self.largest_change:.3f}, more than {tolerance.change}")
        if self.ndcg is not None and self.ndcg[0] - self.ndcg[1] > tolerance.ndcg_drop:
            found.append(f"nDCG@{DEPTH} fell from {self.ndcg[0]:.4f} to {self.ndcg[1]:.4f}")
        return found


def compare(pairs: Sequence[JudgedPair], full: Float32, quantised: Float32) -> Comparison:
    """Compare two lists of raw scores of the same pairs."""
    groups: dict[str, list[int]] = {}
    for place, pair in enumerate(pairs):
        groups.setdefault(pair.query, []).append(place)
    overlaps = [_overlap(full[places], quantised[places]) for places in groups.values() if len(places) > 1]
    return Comparison(
        pairs=len(pairs),
        queries=len(groups),
        spearman=spearman(full, quantised),
        overlap=float(np.mean(overlaps)) if overlaps else None,
        largest_change=float(np.abs(full - quantised).max(initial=0)),
        spread=float(full.std()) if len(full) else 0.0,
        ndcg=_ndcg_of_both(pairs, groups, full, quantised),
    )


def spearman(left: Float32, right: Float32) -> float | None:
    """Return the correlation of the ranks, equal values sharing theirs; None when one side does not vary."""
    ranks = [_ranks(side) for side in (left, right)]
    deviations = [rank - rank.mean() if len(rank) else rank for rank in ranks]
    size = float(np.sqrt((deviations[0] @ deviations[0]) * (deviations[1] @ deviations[1])))
    return float(deviations[0] @ deviations[1]) / size if size else None


def _ranks(values: Float32) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: np.ndarray = (last - (count - 1) / 2)[place]
    return ranks


def _order(scores: Float32) -> np.ndarray:
    return np.lexsort((np.arange(len(scores)), -scores))


def _overlap(full: Float32, quantised: Float32) -> float:
    depth = min(DEPTH, max(len(full) // 2, 1))
    return len(set(_order(full)[:depth]) & set(_order(quantised)[:depth])) / depth


def _ndcg_of_both(
    pairs: Sequence[JudgedPair], groups: Mapping[str, Sequence[int]], full: Float32, quantised: Float32
) -> tuple[float, float] | None:
    """Return the mean nDCG@10 over the queries with a relevant document; pairs without a label count as 0."""
    both = []
    for places in groups.values():
        gains = np.array([2.0 ** (pairs[i].label or 0.0) - 1 for i in places])
        if gains.any():
            at = list(places)
            both.append((_ndcg(gains[_order(full[at])]), _ndcg(gains[_order(quantised[at])])))
    if not both:
        return None
    means = np.mean(both, axis=0)
    return float(means[0]), float(means[1])


def _ndcg(gains: np.ndarray) -> float:
    """Järvelin & Kekäläinen 2002, with gains of 2^label - 1."""
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    best = np.sort(gains)[::-1][:DEPTH]
    first = gains[:DEPTH]
    return float(first @ discounts[: len(first)] / (best @ discounts[: len(best)]))

"""Is a difference between two rankings more than chance? Pure functions on paired differences of queries.

A difference is (metric with) - (metric without), one for each query. Queries of one cluster (one question in several
languages) rise and fall together, so they are flipped and drawn together: the clusters are the observations.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float64: TypeAlias = npt.NDArray[np.float64]

EXACT_UP_TO = 16
"""Clusters that differ, up to which all sign patterns are tried."""

ROUNDS = 10_000
CONFIDENCE = 0.95
POWER = 0.8

_DRAWN_AT_ONCE = 500_000
"""Numbers: what stays in a processor's cache."""

_Z_TWO_SIDED_5 = 1.959964
_Z_POWER_80 = 0.841621
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Tested:
    """A p-value, and whether all sign patterns were tried or some were drawn."""

    p: float
    exact: bool


def cluster_sums(values: Float64, clusters: Sequence[Hashable] | None) -> tuple[Float64, Float64]:
    """Return the sum and the number of the values in each cluster; without clusters each value is its own."""
    if clusters is None:
        return np.asarray(values, np.float64), np.ones(len(values))
    if len(clusters) != len(values):
        raise ValueError(f"{len(values)} values and {len(clusters)} clusters")
    numbers: dict[Hashable, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], np.intp)
    sums = np.bincount(places, weights=values, minlength=len(numbers)).astype(np.float64)
    return sums, np.bincount(places, minlength=len(numbers)).astype(np.float64)


def sign_flip_test(
    differences: Float64, *, clusters: Sequence[Hashable] | None = None, rounds: int = ROUNDS, seed: int = 0
) -> Tested:
    """Test that the mean difference is 0, two-sided: under that, each cluster's sign is a coin toss.

    Fisher's paired randomisation test, as Smucker, Allan and Carterette (2007) recommend it for retrieval. All sign
    patterns are tried while at most EXACT_UP_TO clusters differ; beyond, `rounds` are drawn and the p-value is
    (as extreme + 1) / (rounds + 1), which is never 0 and never too small.
    """
    sums, _ = cluster_sums(differences, clusters)
    changed = sums[np.abs(sums) > _ROUNDING]
    if not len(changed):
        return Tested(1.0, exact=True)
    observed = abs(changed.sum()) - _ROUNDING
    if len(changed) <= EXACT_UP_TO:
        patterns = np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed)) & 1
        return Tested(float((np.abs((patterns * 2.0 - 1) @ changed) >= observed).mean()), exact=True)
    random = np.random.default_rng(seed)
    extreme = 0
    for size in _chunks(rounds, len(changed)):
        drawn = np.frombuffer(random.bytes(size * (len(changed) // 8 + 1)), np.uint8).reshape(size, -1)
        signs = np.unpackbits(drawn, axis=1)[:, : len(changed)] * 2.0 - 1
        extreme += int((np.abs(signs @ changed) >= observed).sum())
    return Tested((extreme + 1) / (rounds + 1), exact=False)


def _chunks(rounds: int, width: int) -> list[int]:
    size = max(1, _DRAWN_AT_ONCE // max(width, 1))
    return [min(size, rounds - start) for start in range(0, rounds, size)]


def bootstrap_interval(
    values: Float64,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = CONFIDENCE,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of the mean when clusters are drawn again with replacement (Efron 1979)."""
    sums, counts = cluster_sums(values, clusters)
    if not len(sums):
        return 0.0, 0.0
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    random = np.random.default_rng(seed)
    means = []
    uneven = np.ptp(counts) > 0
    for size in _chunks(rounds, len(sums)):
        drawn = random.integers(0, len(sums), (size, len(sums)), dtype=np.int32)
        weights = counts[drawn].sum(axis=1) if uneven else counts.sum()
        means.append(sums[drawn].sum(axis=1) / weights)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def standard_error(values: Float64, *, clusters: Sequence[Hashable] | None = None) -> float | None:
    """Return the standard error of the mean, clusters being the observations; None for less than two."""
    sums, counts = cluster_sums(values, clusters)
    if len(sums) < 2:
        return None
    residuals = sums - counts * (sums.sum() / counts.sum())
    return float(np.sqrt((residuals @ residuals) * len(sums) / (len(sums) - 1)) / counts.sum())


def minimum_detectable(differences: Float64, *, clusters: Sequence[Hashable] | None = None) -> float | None:
    """Return the true mean difference that a two-sided test at 0.05 would find 4 times in 5 with these queries.

    (1.96 + 0.84) standard errors; None when it cannot be told: less than two clusters, or none that differs.
    """
    error = standard_error(differences, clusters=clusters)
    return (_Z_TWO_SIDED_5 + _Z_POWER_80) * error if error else None

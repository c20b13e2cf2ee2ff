"""How far probabilities are from what happened, with intervals over queries.

Brier score: mean of (p - y)^2. Log loss: mean of -ln of the probability of what happened. ECE: probabilities in bins
of equal numbers of pairs; the mean over pairs of |mean p - share of relevant pairs| of their bin (Naeini, Cooper,
Hauskrecht 2015; equal numbers as in Nguyen and O'Connor 2015). ECE of a perfect calibration is above 0 by chance, the
more so the fewer pairs there are.

Intervals are basic bootstrap intervals (2 * estimate - quantiles) of resampled queries, whose pairs go together: pairs
of one query are no independent evidence. The basic kind takes back the bias that resampling adds to ECE.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resift.calibration.fitting import Bools
from resift.calibration.maps import Float64

MOST_BINS, LEAST_BINS = 20, 5
"""A bin for every 100 pairs, within these."""
ROUNDS = 1000
LEVEL = 0.95
_FLOOR = 1e-15
_BLOCK = 50
"""Resamples at a time: bounds the memory of many queries."""


class Estimate(NamedTuple):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of similar probability, and what they turned out to be.

    Attributes:
        pairs: how many.
        predicted: mean of their probabilities.
        observed: share of relevant ones among them, with its interval.
    """

    pairs: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class Quality:
    """How good probabilities are on pairs that they were not fitted to."""

    brier: Estimate
    log_loss: Estimate
    ece: Estimate
    bins: tuple[Bin, ...]


class Judge:
    """Measures probabilities of the same pairs, all on the same resamples of their queries."""

    def __init__(self, relevant: npt.ArrayLike, queries: npt.ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> None:
        self._y: Bools = np.asarray(relevant, bool)
        _, self._query = np.unique(np.asarray(queries), return_inverse=True)
        self._count = int(self._query.max()) + 1
        self._rounds, self._seed = rounds, seed

    def quality(self, probabilities: npt.ArrayLike) -> Quality:
        """Return all measures of probabilities, [pairs]."""
        p = np.asarray(probabilities, np.float64)
        places = _bins(p)
        number = int(places.max()) + 1
        columns = [np.ones(len(p)), (p - self._y) ** 2, _log_losses(p, self._y)]
        for values in (np.ones(len(p)), p, self._y.astype(np.float64)):
            columns += [np.where(places == i, values, 0.0) for i in range(number)]
        totals, samples = self._resampled(np.stack(columns, axis=1))

        def estimate(value: float, resampled: Float64, *, most: float = np.inf) -> Estimate:
            low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            return Estimate(value, float(np.clip(2 * value - high, 0, most)), float(np.clip(2 * value - low, 0, most)))

        def parts(sums: Float64) -> tuple[Float64, Float64, Float64]:
            n, predicted, happened = (sums[..., 3 + i * number : 3 + (i + 1) * number] for i in range(3))
            return n, predicted, happened

        def ece(sums: Float64) -> Float64:
            _, predicted, happened = parts(sums)
            gap: Float64 = np.abs(predicted - happened).sum(axis=-1) / sums[..., 0]
            return gap

        n, predicted, happened = parts(totals)
        n_s, _, happened_s = parts(samples)
        shares = np.divide(happened_s, n_s, out=np.full_like(n_s, np.nan), where=n_s > 0)
        return Quality(
            brier=estimate(float(totals[1] / totals[0]), samples[:, 1] / samples[:, 0], most=1),
            log_loss=estimate(float(totals[2] / totals[0]), samples[:, 2] / samples[:, 0]),
            ece=estimate(float(ece(totals)), ece(samples), most=1),
            bins=tuple(
                Bin(int(n[i]), float(predicted[i] / n[i]), estimate(float(happened[i] / n[i]), shares[:, i], most=1))
                for i in range(number)
            ),
        )

    def gain(self, before: npt.ArrayLike, after: npt.ArrayLike) -> Estimate:
        """Return how much lower the log loss of `after` is, with its interval."""
        gains = _log_losses(np.asarray(before), self._y) - _log_losses(np.asarray(after), self._y)
        totals, samples = self._resampled(np.stack([np.ones(len(gains)), gains], axis=1))
        value, resampled = float(totals[1] / totals[0]), samples[:, 1] / samples[:, 0]
        low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(value, float(2 * value - high), float(2 * value - low))

    def _resampled(self, values: Float64) -> tuple[Float64, Float64]:
        """Return the sums of columns, [columns], and those of each resample, [rounds, columns]."""
        sums = np.stack(
            [np.bincount(self._query, weights=column, minlength=self._count) for column in values.T], axis=1
        )
        random = np.random.default_rng(self._seed)
        found = []
        for start in range(0, self._rounds, _BLOCK):
            rounds = min(_BLOCK, self._rounds - start)
            drawn = random.integers(0, self._count, (rounds, self._count)) + self._count * np.arange(rounds)[:, None]
            times = np.bincount(drawn.ravel(), minlength=rounds * self._count).reshape(rounds, self._count)
            found.append(times.astype(np.float64) @ sums)
        return sums.sum(axis=0), np.concatenate(found)


def _bins(p: Float64) -> npt.NDArray[np.intp]:
    """Return the bin of each pair: about equal numbers, and equal probabilities together."""
    count = min(max(len(p) // 100, LEAST_BINS), MOST_BINS)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, count + 1)[1:-1]))
    _, places = np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)
    return places


def _log_losses(p: Float64, y: Bools) -> Float64:
    return -np.log(np.maximum(np.where(y, p, 1 - p), _FLOOR))

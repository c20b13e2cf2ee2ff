"""Means, ratios and their differences between two groups of users: pure functions on arrays.

A user is the unit, because a user was assigned: searches of one user resemble each other, and tests that take them for
independent find effects that are not there. A ratio of sums over users, such as clicks over searches, is linearised:
value_i = R + (x_i - R y_i) / mean(y) has the mean R = sum(x) / sum(y), and its variance is that of the delta method
(A. Deng, U. Knoblich, J. Lu: Applying the delta method in metric analytics, KDD 2018). So one test serves all metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from resift.experiments.special import functions

Array: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

SRM_ALPHA = 0.001
"""Below this p-value the split is wrong (A. Fabijan et al., KDD 2019: with many users it can be strict)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A group's estimate.

    Attributes:
        users: how many.
        mean: the average, or the ratio.
        variance: of a user's (linearised) value.
    """

    users: int
    mean: float
    variance: float

    @property
    def squared_error(self) -> float:
        """The variance of the mean."""
        return self.variance / self.users


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment minus control.

    Attributes:
        z: the difference over its standard error.
        freedom: degrees of freedom of Welch's t.
        p: two-sided.
    """

    control: Sample
    treatment: Sample
    difference: float
    error: float
    z: float
    freedom: float
    p: float

    def interval(self, critical: float) -> Interval:
        """Return the difference with `critical` standard errors on each side."""
        return self.difference - critical * self.error, self.difference + critical * self.error

    def lift_interval(self, critical: float) -> Interval | None:
        """Return Fieller's interval of treatment / control - 1, or None when control may be zero.

        It holds 0 exactly when `interval` does (E. Fieller: Some problems in interval estimation, 1954).
        """
        square = critical**2
        a = self.control.mean**2 - square * self.control.squared_error
        b = self.control.mean * self.treatment.mean
        c = self.treatment.mean**2 - square * self.treatment.squared_error
        if a <= 0:
            return None
        root = math.sqrt(max(b * b - a * c, 0.0))
        return (b - root) / a - 1, (b + root) / a - 1

    @property
    def lift(self) -> float | None:
        """Treatment over control minus one; None when control is zero."""
        return self.difference / self.control.mean if self.control.mean else None

    def critical(self, alpha: float) -> float:
        """Return Welch's two-sided quantile."""
        return float(functions().stdtrit(self.freedom, 1 - alpha / 2))


def linearise(numerator: Array, denominator: Array | None = None) -> Array:
    """Return one value a user whose average is sum(numerator) / sum(denominator); the denominator's sum is above 0."""
    if denominator is None:
        return numerator
    ratio = numerator.sum() / denominator.sum()
    values: Array = ratio + (numerator - ratio * denominator) / denominator.mean()
    return values


def summarise(values: Array) -> Sample:
    """Return the mean and variance of at least two users."""
    return Sample(len(values), float(values.mean()), float(values.var(ddof=1)))


def compare(control: Sample, treatment: Sample) -> Difference:
    """Compare by Welch's t test: equal variances are not assumed."""
    difference = treatment.mean - control.mean
    parts = control.squared_error, treatment.squared_error
    error = math.sqrt(sum(parts))
    if error == 0:
        freedom = float(control.users + treatment.users - 2)
        z = 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return Difference(control, treatment, difference, error, z, freedom, 1.0 if difference == 0 else 0.0)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (control.users - 1) + parts[1] ** 2 / (treatment.users - 1))
    z = difference / error
    p = float(2 * functions().stdtr(freedom, -abs(z)))
    return Difference(control, treatment, difference, error, z, freedom, p)


def cuped(groups: Sequence[Array], before: Sequence[Array]) -> tuple[list[Array], float]:
    """Take from each user's value what the time before the experiment explains; returns values and explained share.

    A. Deng, Y. Xu, R. Kohavi, T. Walker: Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data, WSDM 2013. Values that groups are compared by stay unbiased, because assignment cannot change
    the past; the slope is fitted within groups. Arrays in the order of groups, users in the same order in both.
    """
    ours = np.concatenate([group - group.mean() for group in groups])
    theirs = np.concatenate([group - group.mean() for group in before])
    spread = float(theirs @ theirs)
    if spread == 0 or float(ours @ ours) == 0:
        return list(groups), 0.0
    slope = float(ours @ theirs) / spread
    centre = float(np.concatenate(before).mean())
    adjusted = [group - slope * (past - centre) for group, past in zip(groups, before, strict=True)]
    return adjusted, slope**2 * spread / float(ours @ ours)


def sample_ratio(users: Sequence[int], weights: Sequence[float]) -> tuple[float, float]:
    """Return chi-square and p-value of the users of all arms against the weights that were meant."""
    counts, meant = np.asarray(users, dtype=float), np.asarray(weights, dtype=float)
    if not counts.sum():
        return 0.0, 1.0
    expected = counts.sum() * meant / meant.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic, float(functions().chdtrc(len(counts) - 1, statistic))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number (Holm 1979): the chance of any false finding stays at alpha."""
    p = np.asarray(p_values, np.float64)
    rising = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[rising] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[rising] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]

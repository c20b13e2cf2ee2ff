"""The curves from raw scores to probabilities: what a calibration holds, in numpy alone."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resift.errors import InputError

Float64: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Platt:
    """The curve 1 / (1 + exp(-(slope * score + intercept))), which rises everywhere."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0):
            raise InputError(f"slope {self.slope} and intercept {self.intercept}: expected numbers, the slope above 0")

    def __call__(self, scores: npt.ArrayLike) -> Float64:
        """Return the probability of each raw score, float64, of the same shape, in 0..1."""
        return logistic(self.slope * np.asarray(scores, np.float64) + self.intercept)

    def inverse(self, probability: float) -> float:
        """Return the raw score that has this probability; -inf for 0 and inf for 1."""
        if probability <= 0:
            return -math.inf
        if probability >= 1:
            return math.inf
        return (math.log(probability) - math.log1p(-probability) - self.intercept) / self.slope


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A curve that never falls: straight lines between knots, level outside them.

    Attributes:
        scores: raw scores of the knots, rising.
        probabilities: theirs, never falling, in 0..1.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.asarray(self.scores, np.float64), np.asarray(self.probabilities, np.float64)
        sound = x.ndim == 1 and len(x) == len(y) > 0 and np.isfinite(x).all() and np.isfinite(y).all()
        if not (sound and (np.diff(x) > 0).all() and (np.diff(y) >= 0).all() and y[0] >= 0 and y[-1] <= 1):
            raise InputError("the knots of a curve have to be as many rising scores as never falling probabilities")

    def __call__(self, scores: npt.ArrayLike) -> Float64:
        """Return the probability of each raw score, float64, of the same shape, in 0..1."""
        x, y = np.asarray(self.scores), np.asarray(self.probabilities)
        found: Float64 = np.interp(np.asarray(scores, np.float64), x, y)
        # Subtle: the line of a steep piece may round to a hair beyond its own end.
        return np.clip(found, y[0], y[-1])

    def inverse(self, probability: float) -> float:
        """Return the lowest raw score that has at least this probability; -inf where all have, inf where none has."""
        x, y = np.asarray(self.scores), np.asarray(self.probabilities)
        if probability <= y[0]:
            return -math.inf
        if probability > y[-1]:
            return math.inf
        right = int(np.searchsorted(y, probability))  # y[right - 1] < probability <= y[right]
        share = (probability - y[right - 1]) / (y[right] - y[right - 1])
        return float(min(x[right], x[right - 1] + share * (x[right] - x[right - 1])))


Curve: TypeAlias = Platt | Isotonic


def logistic(values: npt.ArrayLike) -> Float64:
    """Return 1 / (1 + exp(-values)), float64, without overflow."""
    v = np.asarray(values, np.float64)
    small = np.exp(-np.abs(v))
    return np.where(v >= 0, 1 / (1 + small), small / (1 + small))

"""Fit the curves to labelled scores. Small enough to have here: scikit-learn would bring 100 MB for these two loops."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resift.calibration.maps import Float64, Isotonic, Platt, logistic
from resift.errors import InputError

Bools: TypeAlias = npt.NDArray[np.bool_]

_STEPS = 100
_RIDGE = 1e-12
_TOLERANCE = 1e-10


def fit_platt(scores: npt.ArrayLike, relevant: npt.ArrayLike) -> Platt:
    """Fit a logistic curve by maximum likelihood, to targets a little inside 0 and 1.

    The targets are Platt's (1999), (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), which keep the curve finite when scores
    separate the labels; the damped Newton iteration is that of Lin, Lin and Weng, "A note on Platt's probabilistic
    outputs for support vector machines" (2007), on standardised scores.

    Raises InputError when higher scores do not go with relevance: the curve would turn the order over.
    """
    s, y = _both_labels(scores, relevant)
    targets = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))
    centre, spread = float(s.mean()), float(s.std())
    if spread == 0:
        raise InputError("all scores are equal, so that nothing can be calibrated by them")
    x = np.stack([(s - centre) / spread, np.ones(len(s))], axis=1)
    w = np.array([0.0, np.log((y.sum() + 1) / ((~y).sum() + 1))])
    loss = _loss(x @ w, targets)
    for _ in range(_STEPS):
        p = logistic(x @ w)
        gradient = x.T @ (p - targets)
        if np.abs(gradient).max() < _TOLERANCE * len(s):
            break
        hessian = (x * (p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > _TOLERANCE and _loss(x @ (w - size * step), targets) > loss - 1e-4 * size * (gradient @ step):
            size /= 2
        if size <= _TOLERANCE:
            break
        w = w - size * step
        loss = _loss(x @ w, targets)
    slope = float(w[0]) / spread
    if slope <= 0:
        raise InputError(
            "relevant pairs do not have higher scores than the others, so that a calibration would turn the order over",
            hint="are the labels right, and is 1 the label of relevant documents?",
        )
    return Platt(slope, float(w[1]) - slope * centre)


def fit_isotonic(scores: npt.ArrayLike, relevant: npt.ArrayLike) -> Isotonic:
    """Fit the curve that never falls with the least squared error, and join its steps by straight lines.

    One relevant pair is added at the lowest score and one irrelevant one at the highest, for the reason of Platt's
    targets: no number of pairs shows a probability to be 0 or 1, and a single surprise would cost an infinite log loss.
    """
    s, y = _both_labels(scores, relevant)
    x = np.concatenate([s, [s.min(), s.max()]])
    values = np.concatenate([y.astype(np.float64), [1.0, 0.0]])
    order = np.argsort(x, kind="stable")
    knots, place = np.unique(x[order], return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    means = pool(np.bincount(place, weights=values[order]) / counts, counts)
    edge = np.flatnonzero(np.diff(means) != 0)
    keep = np.unique(np.concatenate([[0], edge, edge + 1, [len(knots) - 1]]))
    return Isotonic(tuple(knots[keep].tolist()), tuple(means[keep].tolist()))


def pool(values: Float64, weights: Float64) -> Float64:
    """Return the sequence that never falls with the least weighted squared distance from `values`, float64 [n].

    Pool adjacent violators (Ayer et al. 1955): neighbours in the wrong order become one block with their mean.
    """
    sums: list[float] = []
    totals: list[float] = []
    sizes: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        sums.append(value * weight)
        totals.append(weight)
        sizes.append(1)
        while len(sums) > 1 and sums[-2] * totals[-1] >= sums[-1] * totals[-2]:
            total, mass, size = sums.pop(), totals.pop(), sizes.pop()
            sums[-1] += total
            totals[-1] += mass
            sizes[-1] += size
    means = [total / weight for total, weight in zip(sums, totals, strict=True)]
    return np.repeat(np.maximum.accumulate(np.array(means, np.float64)), sizes)


def _both_labels(scores: npt.ArrayLike, relevant: npt.ArrayLike) -> tuple[Float64, Bools]:
    s, y = np.asarray(scores, np.float64), np.asarray(relevant, bool)
    if not y.any() or y.all():
        raise InputError(f"{y.sum()} of {len(y)} pairs are relevant: a calibration needs pairs of both labels")
    return s, y


def _loss(margins: Float64, targets: Float64) -> float:
    """Return the cross entropy of logistic(margins) to the targets."""
    return float((np.logaddexp(0, margins) - targets * margins).sum())

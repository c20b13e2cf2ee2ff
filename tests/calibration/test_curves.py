"""Curves and their fits: against brute force, and what holds for every curve."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resift.calibration.fitting import fit_isotonic, fit_platt, pool
from resift.calibration.maps import Curve, Isotonic, Platt, logistic
from resift.errors import InputError

finite = st.floats(-50, 50, allow_nan=False, width=32)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    if draw(st.booleans()):
        return Platt(draw(st.floats(0.01, 20)), draw(finite))
    scores = draw(st.lists(finite, min_size=1, max_size=9, unique=True))
    values = draw(st.lists(st.floats(0, 1), min_size=len(scores), max_size=len(scores)))
    return Isotonic(tuple(sorted(scores)), tuple(sorted(values)))


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[float], list[bool]]:
    pairs = draw(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=4, max_size=40))
    assume(len({label for _, label in pairs}) == 2)
    return [score / 4 for score, _ in pairs], [label for _, label in pairs]


@given(curve=curves(), scores=st.lists(finite, min_size=2, max_size=20))
def test_every_curve_is_bounded_and_never_falls(curve: Curve, scores: list[float]) -> None:
    found = curve(sorted(scores))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    # As float32, the type of scores, it does not fall either.
    assert (np.diff(found.astype(np.float32)) >= 0).all()


@given(curve=curves(), probability=st.floats(0.001, 0.999))
def test_the_inverse_is_where_a_curve_reaches_a_probability(curve: Curve, probability: float) -> None:
    score = curve.inverse(probability)
    if score == -math.inf:
        assert curve(-1e6) >= probability
    elif score == math.inf:
        assert curve(1e6) < probability
    else:
        assert curve(score) == pytest.approx(probability, abs=1e-9)
        assert curve(score - 1e-3) <= probability + 1e-9


def test_what_is_no_curve_is_refused() -> None:
    for broken in (
        lambda: Platt(0, 1),
        lambda: Platt(-1, 0),
        lambda: Platt(math.nan, 0),
        lambda: Isotonic((), ()),
        lambda: Isotonic((0.0, 0.0), (0.1, 0.2)),
        lambda: Isotonic((0.0, 1.0), (0.2, 0.1)),
        lambda: Isotonic((0.0, 1.0), (0.2, 1.1)),
        lambda: Isotonic((0.0, 1.0), (0.2,)),
    ):
        with pytest.raises(InputError):
            broken()


def _loss(slope: float, intercept: float, scores: list[float], labels: list[bool]) -> float:
    """Platt's objective, term by term."""
    ones, zeros = sum(labels), len(labels) - sum(labels)
    total = 0.0
    for score, label in zip(scores, labels, strict=True):
        target = (ones + 1) / (ones + 2) if label else 1 / (zeros + 2)
        p = 1 / (1 + math.exp(-(slope * score + intercept)))
        total -= target * math.log(p) + (1 - target) * math.log(1 - p)
    return total


@given(labelled())
def test_platt_is_a_minimum_of_its_objective(data: tuple[list[float], list[bool]]) -> None:
    scores, labels = data
    try:
        curve = fit_platt(scores, labels)
    except InputError:
        # No rising curve: then the best slope is not above 0, and a small one is worse than none.
        rate = sum(labels) / len(labels)
        flat = min(_loss(0, b, scores, labels) for b in np.linspace(-4, 4, 801))
        assert 0 < rate < 1
        centre = sum(scores) / len(scores)
        steep = min(_loss(0.02, b - 0.02 * centre, scores, labels) for b in np.linspace(-4, 4, 801))
        assert flat <= steep + 1e-2
        return
    best = _loss(curve.slope, curve.intercept, scores, labels)
    for a, b in itertools.product((-1e-2, 0, 1e-2), repeat=2):
        assert best <= _loss(curve.slope + a, curve.intercept + b, scores, labels) + 1e-9


def test_platt_finds_the_curve_that_made_the_labels() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(-2, 3, 40_000)
    curve = fit_platt(scores, random.random(40_000) < logistic(0.7 * scores - 1))
    assert curve.slope == pytest.approx(0.7, abs=0.02)
    assert curve.intercept == pytest.approx(-1, abs=0.05)


def test_platt_stays_finite_where_scores_separate_the_labels() -> None:
    curve = fit_platt([-1000.0, -999.0, 3000.0, 3001.0], [False, False, True, True])
    assert 0 < curve.slope < 1
    # Platt's targets are 3/4 and 1/4 here.
    assert curve([-999.5, 3000.5]) == pytest.approx([0.25, 0.75], abs=0.01)


@pytest.mark.parametrize("fitted", [fit_platt, fit_isotonic])
def test_one_label_alone_is_refused(fitted: object) -> None:
    for labels in ([True, True], [False, False]):
        with pytest.raises(InputError, match="both labels"):
            fitted([1.0, 2.0], labels)  # type: ignore[operator]


def test_scores_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(InputError, match="turn the order over"):
        fit_platt([3.0, 2.0, 1.0, 0.0], [False, False, True, True])
    with pytest.raises(InputError, match="equal"):
        fit_platt([1.0, 1.0], [False, True])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), min_size=1, max_size=14),
)
def test_pooling_is_the_min_max_formula(data: list[tuple[int, int]]) -> None:
    values = np.array([value / 4 for value, _ in data])
    weights = np.array([float(weight) for _, weight in data])

    def mean(i: int, j: int) -> float:
        return float(np.average(values[i : j + 1], weights=weights[i : j + 1]))

    n = len(data)
    expected = [max(min(mean(i, j) for j in range(at, n)) for i in range(at + 1)) for at in range(n)]
    np.testing.assert_allclose(pool(values, weights), expected, atol=1e-12)


@given(labelled())
def test_isotonic_is_the_pooled_labels_at_every_score(data: tuple[list[float], list[bool]]) -> None:
    scores, labels = data
    curve = fit_isotonic(scores, labels)
    # One relevant pair more at the lowest score, one irrelevant pair more at the highest.
    more = [*zip(scores, labels, strict=True), (min(scores), True), (max(scores), False)]
    at = sorted({score for score, _ in more})
    means = np.array([np.mean([label for score, label in more if score == x]) for x in at])
    counts = np.array([float(sum(score == x for score, _ in more)) for x in at])
    np.testing.assert_allclose(curve(at), pool(means, counts), atol=1e-12)
    assert (curve([-1e9, 1e9]) > 0).all() and (curve([-1e9, 1e9]) < 1).all()


def test_equal_to_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    random = np.random.default_rng(5)
    values, weights = random.random(300), random.integers(1, 9, 300).astype(float)
    np.testing.assert_allclose(
        pool(values, weights), optimize.isotonic_regression(values, weights=weights).x, atol=1e-9
    )
    scores = random.normal(1, 3, 200)
    labels = random.random(200) < logistic(scores - 2)
    curve = fit_platt(scores, labels)
    found = optimize.minimize(lambda w: _loss(w[0], w[1], scores.tolist(), labels.tolist()), [0.5, 0.0])
    assert [curve.slope, curve.intercept] == pytest.approx(found.x.tolist(), abs=1e-4)

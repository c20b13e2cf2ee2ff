"""Tests and intervals equal those of scipy and statsmodels, and hold the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, ttest_ind
from statsmodels.stats.multitest import multipletests

from resift.experiments.sequential import critical, p_value, tuning
from resift.experiments.statistics import compare, cuped, holm, linearise, sample_ratio, summarise

values = st.lists(st.floats(-50, 50, allow_subnormal=False), min_size=3, max_size=40)


@settings(max_examples=80, deadline=None)
@given(values, values)
def test_a_difference_is_welchs(first: list[float], second: list[float]) -> None:
    a, b = np.array(first), np.array(second)
    if min(a.std(), b.std()) < 1e-3:
        return
    found = compare(summarise(a), summarise(b))
    expected = ttest_ind(b, a, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    interval = expected.confidence_interval(0.95)
    assert found.interval(found.critical(0.05)) == pytest.approx((interval.low, interval.high), rel=1e-7, abs=1e-7)


@settings(max_examples=80, deadline=None)
@given(values, values)
def test_the_lift_excludes_zero_when_the_difference_does(first: list[float], second: list[float]) -> None:
    a, b = np.array(first) + 60, np.array(second) + 60
    if min(a.std(), b.std()) < 1e-3:
        return
    found = compare(summarise(a), summarise(b))
    crit = found.critical(0.05)
    low, high = found.interval(crit)
    lift = found.lift_interval(crit)
    if lift is None:  # control itself may be zero
        assert crit * found.control.squared_error**0.5 >= abs(found.control.mean)
        return
    if min(abs(low), abs(high)) > 1e-6:
        assert (low > 0, high < 0) == (lift[0] > 0, lift[1] < 0)
    assert lift[0] - 1e-9 <= found.lift <= lift[1] + 1e-9  # type: ignore[operator]


def test_a_lift_over_what_may_be_zero_has_no_interval() -> None:
    found = compare(summarise(np.array([-1.0, 1.0, 0.5])), summarise(np.array([2.0, 3.0, 4.0])))
    assert found.lift_interval(found.critical(0.05)) is None


def test_a_ratio_varies_as_the_delta_method_says() -> None:
    """Against the spread of 2000 repetitions, where searches of a user resemble each other."""
    rng = np.random.default_rng(2)
    ratios, errors, naive = [], [], []
    for _ in range(2000):
        taste = rng.beta(2, 3, 300)
        searches = rng.poisson(4, 300) + 1
        clicks = rng.binomial(searches, taste)
        sample = summarise(linearise(clicks.astype(float), searches.astype(float)))
        assert sample.mean == pytest.approx(clicks.sum() / searches.sum())
        ratios.append(sample.mean)
        errors.append(sample.squared_error)
        naive.append(sample.mean * (1 - sample.mean) / searches.sum())
    truth = np.var(ratios)
    assert np.mean(errors) == pytest.approx(truth, rel=0.1)
    assert np.mean(naive) < 0.7 * truth  # what taking searches for independent gives


def test_cuped_is_the_regression_and_keeps_the_difference_right() -> None:
    rng = np.random.default_rng(3)
    past = rng.normal(10, 3, 4000)
    value = 0.8 * past + rng.normal(0, 2, 4000)
    value[2000:] += 0.5
    groups, explained = cuped([value[:2000], value[2000:]], [past[:2000], past[2000:]])
    expected = np.corrcoef(
        np.concatenate([value[:2000] - value[:2000].mean(), value[2000:] - value[2000:].mean()]),
        np.concatenate([past[:2000] - past[:2000].mean(), past[2000:] - past[2000:].mean()]),
    )[0, 1]
    assert explained == pytest.approx(expected**2)
    assert np.concatenate(groups).mean() == pytest.approx(value.mean())
    plain, less = compare(summarise(value[:2000]), summarise(value[2000:])), compare(*map(summarise, groups))
    assert less.error**2 / plain.error**2 == pytest.approx(1 - explained, rel=0.02)
    assert abs(less.difference - 0.5) < 4 * less.error


def test_cuped_without_a_past_changes_nothing() -> None:
    groups = [np.array([1.0, 2.0]), np.array([3.0, 5.0])]
    adjusted, explained = cuped(groups, [np.zeros(2), np.zeros(2)])
    assert explained == 0.0
    assert all((one == other).all() for one, other in zip(groups, adjusted, strict=True))


@pytest.mark.parametrize(
    ("users", "weights"), [([5000, 5300], [1, 1]), ([10, 95], [1, 9]), ([30, 30, 45], [1, 1, 2])]
)  # fmt: skip
def test_the_split_is_tested_by_chi_square(users: list[int], weights: list[float]) -> None:
    expected = chisquare(users, np.array(weights) * sum(users) / sum(weights))
    assert sample_ratio(users, weights) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    p_values = np.random.default_rng(seed).beta(0.3, 1, 2 + 3 * seed).round(3).tolist()  # with ties
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@settings(max_examples=80, deadline=None)
@given(st.floats(0, 12), st.floats(10, 1e7), st.floats(100, 1e6), st.floats(0.001, 0.3))
def test_the_sequential_p_and_interval_agree(z: float, users: float, planned: float, alpha: float) -> None:
    bound = critical(users, planned=planned, alpha=alpha)
    if abs(z - bound) > 1e-6:
        assert (z > bound) == (p_value(z, users, planned=planned, alpha=alpha) < alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_the_interval_is_narrowest_where_planned(alpha: float) -> None:
    def width(users: float, planned: float) -> float:
        return critical(users, planned=planned, alpha=alpha)

    best = width(1000, 1000)
    assert all(best <= width(1000, 1000 * factor) for factor in (0.3, 0.8, 0.95, 1.05, 1.3, 4))
    assert tuning(alpha) > 1


def test_peeking_breaks_the_fixed_test_and_not_the_sequential_one() -> None:
    """1000 A/A tests of two normal arms, looked at 40 times."""
    rng = np.random.default_rng(11)
    steps = rng.normal(size=(1000, 2, 40, 100)).sum(axis=3)
    totals = steps.cumsum(axis=2)
    users = 100 * np.arange(1, 41)
    z = (totals[:, 1] - totals[:, 0]) / np.sqrt(2 * users)
    fixed = (np.abs(z) > 1.96).any(axis=1).mean()
    for planned in (500, 4000, 10_000):
        bounds = np.array([critical(2 * n, planned=planned, alpha=0.05) for n in users.tolist()])
        false = (np.abs(z) > bounds).any(axis=1).sum()
        assert false <= 67  # 50 expected at most; 67 is exceeded with probability below 1%
    assert fixed > 0.2
    assert (np.abs(z[:, -1]) > 1.96).mean() == pytest.approx(0.05, abs=0.02)

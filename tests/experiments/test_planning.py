"""Plans are those of statsmodels, and what they promise is what happens."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from resift.errors import InputError
from resift.experiments import Goal, World, make_plan, make_table, simulate
from resift.experiments.metrics import find_metric
from resift.experiments.planning import (
    _sign_power,
    any_users,
    baseline_of,
    decided_users,
    interleaving_plan,
    once_users,
)
from resift.experiments.sequential import critical
from resift.experiments.statistics import compare, summarise


@pytest.mark.parametrize(
    ("baseline", "deviation", "lift", "ratio", "power"),
    [(10, 4, 0.05, 1, 0.8), (10, 4, -0.02, 1, 0.9), (3.2, 14, 0.1, 1, 0.8), (0.4, 0.33, 0.03, 0.25, 0.8)],
)
def test_means_are_planned_as_statsmodels_does(
    baseline: float, deviation: float, lift: float, ratio: float, power: float
) -> None:
    goal = Goal(baseline=baseline, lift=lift, deviation=deviation, ratio=ratio, power=power)
    effect = abs(baseline * lift) / deviation
    expected = NormalIndPower().solve_power(effect, alpha=0.05, power=power, ratio=ratio)
    assert once_users(goal) == pytest.approx(expected, rel=1e-6, abs=1)


@pytest.mark.parametrize(("baseline", "lift", "ratio"), [(0.12, 0.05, 1), (0.02, 0.2, 1), (0.3, -0.1, 0.5)])
def test_shares_have_the_power_that_statsmodels_says(baseline: float, lift: float, ratio: float) -> None:
    goal = Goal(baseline=baseline, lift=lift, ratio=ratio)
    users = once_users(goal)
    found = power_proportions_2indep(
        baseline * lift, baseline, users * ratio, ratio=1 / ratio, alpha=0.05, return_results=False
    )
    assert found == pytest.approx(0.8, abs=0.02)  # statsmodels pools the variance under the null, Welch does not


def test_the_planned_power_is_what_happens() -> None:
    """3000 experiments of the planned size find a lift of a share 80% of the time, one look and any number."""
    goal = Goal(baseline=0.3, lift=0.25)
    rng = np.random.default_rng(8)
    for users, any_looks in ((once_users(goal), False), (any_users(goal), True)):
        shares = rng.binomial(users, [[0.3, 0.375]] * 3000) / users
        errors = np.sqrt((shares * (1 - shares)).sum(axis=1) / users)
        z = (shares[:, 1] - shares[:, 0]) / errors
        bound = critical(1, planned=1, alpha=0.05) if any_looks else 1.96
        assert (np.abs(z) > bound).mean() == pytest.approx(0.8, abs=0.025)  # 3.4 standard errors


def test_more_looks_tests_and_power_need_more_users() -> None:
    goal = Goal(baseline=0.1, lift=0.1)
    assert once_users(goal) < any_users(goal) < 3 * once_users(goal)
    assert once_users(goal) < once_users(Goal(baseline=0.1, lift=0.1, comparisons=3))
    assert once_users(goal) < once_users(Goal(baseline=0.1, lift=0.1, power=0.9))
    assert once_users(goal) > once_users(Goal(baseline=0.1, lift=0.2))


def test_days_and_what_weeks_can_show() -> None:
    goal = Goal(baseline=0.12, lift=0.05)
    plan = make_plan(goal, users_per_day=4000, share=0.5)
    assert plan["once"]["days"] == pytest.approx(plan["once"]["users"] / 2000)
    assert plan["once"]["whole_weeks"] == -(-plan["once"]["users"] // 14_000)
    for week in plan["weeks"]:
        # the visible lift, planned for, needs the users of that week
        needed = 2 * once_users(Goal(baseline=0.12, lift=week["once"]))
        assert needed == pytest.approx(week["users"], rel=1e-3)
        assert week["any"] > week["once"]
    assert make_plan(Goal(baseline=0.99, lift=0.005), users_per_day=2)["weeks"][0]["once"] is None


def test_a_log_gives_baseline_and_deviation() -> None:
    happened, _ = simulate(World(users=600), seed=1)
    table = make_table(happened.logs())
    sample = baseline_of(table, find_metric("ctr"))
    numerator, denominator = table.values(find_metric("ctr"))
    assert denominator is not None
    control = table.arm == 0
    assert sample.mean == pytest.approx(numerator[control].sum() / denominator[control].sum())
    resampled = [
        numerator[chosen].sum() / denominator[chosen].sum()
        for rng in [np.random.default_rng(0)]
        for _ in range(800)
        for chosen in (rng.choice(np.flatnonzero(control), control.sum()),)
    ]
    assert np.std(resampled) == pytest.approx(sample.squared_error**0.5, rel=0.1)
    with pytest.raises(InputError, match="says nothing"):
        baseline_of(table, find_metric("zero_results"))
    assert compare(sample, summarise(numerator[~control])).p <= 1


@pytest.mark.parametrize("rate", [0.53, 0.55, 0.6, 0.75, 1.0])
def test_interleaving_is_planned_by_the_exact_test(rate: float) -> None:
    users = decided_users(rate)
    assert _sign_power(users, rate, 0.05) >= 0.8
    assert _sign_power(users - 1, rate, 0.05) < 0.8
    assert interleaving_plan([rate], decided_share=0.5)[0]["users"] == 2 * users


def test_many_users_for_a_small_preference() -> None:
    assert decided_users(0.501) == pytest.approx(((1.95996 * 0.5 + 0.84162 * 0.5) / 0.001) ** 2, rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline": 0}, {"baseline": 1.5}, {"lift": 0}, {"baseline": 0.9, "lift": 0.5}, {"deviation": 0}, {"alpha": 0},
        {"power": 0.01}, {"ratio": 0}, {"comparisons": 0}, {"lift": float("nan")},
    ],
)  # fmt: skip
def test_what_cannot_be_planned(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Goal(**({"baseline": 0.1, "lift": 0.1} | wrong))  # type: ignore[arg-type]

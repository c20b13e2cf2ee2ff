"""How many users and days: for one look at the end, for any number of looks, and for interleaving.

The normal approximation of Welch's test with both tails: with s_c^2 and s_t^2 the variances of a user's value,
power = P(|N(d / e, 1)| > c), e^2 = s_c^2 / n_c + s_t^2 / n_t. c is the normal quantile for one look, and
`sequential.critical` at the planned users for any number of looks, which counts only what is found by then: a lower
bound of the power, because any earlier look may find it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resift.errors import InputError
from resift.experiments import sequential
from resift.experiments.metrics import Metric
from resift.experiments.special import functions, normal_cdf, normal_quantile
from resift.experiments.statistics import Sample, linearise, summarise
from resift.experiments.table import Table

_WEEKS = (1, 2, 3, 4, 6, 8)
_MOST = 10**12


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be found.

    Attributes:
        baseline: the control's value: a share for a metric of yes and no, a mean or ratio otherwise.
        lift: the smallest relative change worth finding: 0.05 is 5%.
        deviation: standard deviation of a user's value; None for a share, which has its own.
        ratio: treatment users for each control user.
        comparisons: arms beside the control times metrics that are tested together: alpha is divided by it.
    """

    baseline: float
    lift: float
    deviation: float | None = None
    alpha: float = 0.05
    power: float = 0.8
    ratio: float = 1.0
    comparisons: int = 1

    def __post_init__(self) -> None:
        if not self.baseline > 0 or not math.isfinite(self.baseline):
            raise InputError(f"the baseline is {self.baseline}: expected a value above 0")
        if not math.isfinite(self.lift) or self.lift == 0:
            raise InputError(f"the lift is {self.lift}: expected the change worth finding, such as 0.05")
        if self.deviation is None and not (self.baseline < 1 and 0 < self.after < 1):
            raise InputError(
                f"a share cannot go from {self.baseline:g} to {self.after:g}",
                hint="a metric that is no share of users needs its standard deviation: --deviation",
            )
        if self.deviation is not None and not self.deviation > 0:
            raise InputError(f"the standard deviation is {self.deviation}: expected a number above 0")
        if not (0 < self.alpha < 0.5 and self.alpha < self.power < 1):
            raise InputError(f"alpha {self.alpha} and power {self.power}: expected such as 0.05 and 0.8")
        if not self.ratio > 0 or self.comparisons < 1:
            raise InputError(f"ratio {self.ratio} and comparisons {self.comparisons}: expected numbers above 0")

    @property
    def after(self) -> float:
        """The treatment's value."""
        return self.baseline * (1 + self.lift)

    @property
    def level(self) -> float:
        """Alpha of one comparison."""
        return self.alpha / self.comparisons

    def power_with(self, control: float, critical: float) -> float:
        """Return the probability to find the lift with so many control users."""
        if self.deviation is None:
            before, after = self.baseline * (1 - self.baseline), self.after * (1 - self.after)
        else:
            before = after = self.deviation**2
        error = math.sqrt(before / control + after / (control * self.ratio))
        shift = abs(self.after - self.baseline) / error
        return normal_cdf(shift - critical) + normal_cdf(-shift - critical)


def once_users(goal: Goal) -> int:
    """Return the control users that find the lift at one look."""
    critical = normal_quantile(1 - goal.level / 2)
    return _smallest(lambda users: goal.power_with(users, critical) >= goal.power)


def any_users(goal: Goal) -> int:
    """Return the control users that find it by then, however often one looks."""
    critical = sequential.critical(1.0, planned=1.0, alpha=goal.level)
    return _smallest(lambda users: goal.power_with(users, critical) >= goal.power)


def visible_lift(goal: Goal, control: float, critical: float) -> float | None:
    """Return the smallest lift, in the direction of the goal's, that so many control users show with its power."""
    low, high = 0.0, 1.0
    if goal.deviation is None and goal.lift > 0:
        high = min(1.0, (1 - goal.baseline) / goal.baseline * 0.999)
    sign = math.copysign(1.0, goal.lift)

    def found(lift: float) -> bool:
        return _with_lift(goal, sign * lift).power_with(control, critical) >= goal.power

    high = min(high, 0.999) if sign < 0 else high
    if not found(high):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return sign * high


def decided_users(win_rate: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the users with a preference that the exact sign test of interleaving needs for a share of wins.

    The smallest number from which on the power stays (that of an exact test goes up and down).
    """
    if not 0.5 < win_rate <= 1:
        raise InputError(f"the win rate is {win_rate}: expected a share above 0.5")
    quantiles = normal_quantile(1 - alpha / 2), normal_quantile(power)
    spread = math.sqrt(win_rate * (1 - win_rate))
    guess = ((0.5 * quantiles[0] + quantiles[1] * spread) / (win_rate - 0.5)) ** 2
    if guess > 100_000:  # by now the normal approximation is exact to a part in a thousand
        return math.ceil(guess)
    users = math.ceil(guess * 1.1) + 25
    while users > 1 and _sign_power(users - 1, win_rate, alpha) >= power:
        users -= 1
    return users


def _sign_power(users: int, win_rate: float, alpha: float) -> float:
    """Return the exact power of the two-sided sign test."""
    bdtr = functions().bdtr
    least = int(functions().bdtrik(alpha / 2, users, 0.5))
    while bdtr(least, users, 0.5) > alpha / 2:
        least -= 1
    while bdtr(least + 1, users, 0.5) <= alpha / 2:
        least += 1
    if least < 0:
        return 0.0
    return float(bdtr(least, users, 1 - win_rate) + bdtr(least, users, win_rate))


def baseline_of(table: Table, metric: Metric) -> Sample:
    """Return what the control's users, or the first arm's, say of a metric: mean and deviation of a user's value."""
    numerator, denominator = table.values(metric)
    who = table.arm == 0
    below = None if denominator is None else denominator[who]
    if who.sum() < 2 or (below is not None and not below.sum()):
        raise InputError(f"the log says nothing of {metric.name}")
    return summarise(linearise(numerator[who], below))


def make_plan(goal: Goal, *, users_per_day: float | None = None, share: float = 1.0) -> dict[str, Any]:
    """Return the plan: users for one look and for any, days where users a day are known, what each week can show.

    `users_per_day` are users who are new to the experiment, of all arms, before `share` of them takes part.
    """
    if users_per_day is not None and not users_per_day > 0:
        raise InputError(f"users a day are {users_per_day}: expected a number above 0")
    arms = 1 + goal.ratio
    plan: dict[str, Any] = {
        "format": 1, "kind": "plan",
        "goal": {
            "baseline": goal.baseline, "lift": goal.lift, "deviation": goal.deviation, "alpha": goal.alpha,
            "power": goal.power, "ratio": goal.ratio, "comparisons": goal.comparisons,
        },
    }  # fmt: skip
    for looks, control in (("once", once_users(goal)), ("any", any_users(goal))):
        treatment = math.ceil(control * goal.ratio)
        plan[looks] = {"control": control, "treatment": treatment, "users": control + treatment}
        if users_per_day is not None:
            days = (control + treatment) / (users_per_day * share)
            plan[looks] |= {"days": days, "whole_weeks": math.ceil(days / 7 - 1e-9)}
    if users_per_day is not None:
        ways = {
            "once": normal_quantile(1 - goal.level / 2),
            "any": sequential.critical(1.0, planned=1.0, alpha=goal.level),
        }
        plan["weeks"] = [
            {"weeks": weeks, "users": round(users)}
            | {looks: visible_lift(goal, users / arms, critical) for looks, critical in ways.items()}
            for weeks in _WEEKS
            for users in (7 * weeks * users_per_day * share,)
        ]
    return plan


def interleaving_plan(
    win_rates: Sequence[float], *, decided_share: float = 1.0, alpha: float = 0.05, power: float = 0.8
) -> list[Mapping[str, float]]:
    """Return for each win rate the users who decide, and all users, where only a share of them decides."""
    if not 0 < decided_share <= 1:
        raise InputError(f"the share of users who decide is {decided_share}: expected above 0 and at most 1")
    return [
        {"win_rate": rate, "decided": decided, "users": math.ceil(decided / decided_share)}
        for rate in win_rates
        for decided in (decided_users(rate, alpha=alpha, power=power),)
    ]


def _with_lift(goal: Goal, lift: float) -> Goal:
    return Goal(baseline=goal.baseline, lift=lift or 1e-12, deviation=goal.deviation, alpha=goal.alpha,
                power=goal.power, ratio=goal.ratio, comparisons=goal.comparisons)  # fmt: skip


def _smallest(enough: Callable[[float], bool]) -> int:
    high = 2
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise InputError("more users than there are: the lift is too small to be found")
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

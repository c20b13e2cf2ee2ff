"""From a table of users to a report: split, metrics, intervals for one look and for any number of looks, guardrails."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np

from resift.errors import InputError
from resift.experiments import sequential
from resift.experiments.logs import DAY, Logs
from resift.experiments.metrics import DEFAULT, Metric, find_metric
from resift.experiments.statistics import (
    SRM_ALPHA,
    Array,
    Difference,
    Sample,
    compare,
    cuped,
    holm,
    linearise,
    sample_ratio,
    summarise,
)  # fmt: skip
from resift.experiments.table import Table, make_table
from resift.experiments.verdict import conclude

Report: TypeAlias = dict[str, Any]
"""What is written as JSON; docs/guides/ab-test.md explains it."""

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of an experiment; write it down before it starts.

    Attributes:
        metrics: names, the first decides; p-values of all of them are adjusted together (Holm).
        guardrails: names, each with the relative loss that would be accepted: {"zero_results": 0.02}.
        looks: "any" number of looks, by always-valid intervals, or "once", at an end that was fixed in advance.
        planned_users: of all arms, where always-valid intervals are narrowest; not chosen by looking at outcomes.
    """

    metrics: Sequence[str] = DEFAULT
    guardrails: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    looks: str = "any"
    planned_users: float = sequential.PLANNED_USERS
    title: str = "A/B test"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise InputError(f"alpha is {self.alpha}: expected a probability of error such as 0.05")
        if self.looks not in ("any", "once"):
            raise InputError(f"looks is {self.looks!r}: expected 'any' or 'once'")
        if not self.planned_users > 0:
            raise InputError(f"planned_users is {self.planned_users}: expected a number above 0")
        if not self.metrics:
            raise InputError("there is no metric to decide by")
        for name, margin in self.guardrails.items():
            if not 0 < margin < 1:
                raise InputError(f"the guardrail {name!r} has the margin {margin}: expected a part such as 0.02")


def analyse(logs: Logs, plan: Plan | None = None, *, before: Logs | None = None, table: Table | None = None) -> Report:
    """Return the report of an experiment's logs; `table` is one with other options than the defaults."""
    plan = Plan() if plan is None else plan
    return analyse_table(make_table(logs) if table is None else table, plan, before=before)


def analyse_table(table: Table, plan: Plan, *, before: Logs | None = None) -> Report:
    """Return the report of a table of users; `before` are logs of the time before, for CUPED."""
    split = check_split(table)
    looker = _Looker(table, plan, before)
    metrics = [looker.metric(find_metric(name)) for name in dict.fromkeys(plan.metrics)]
    _adjust(metrics, plan)
    guardrails = [
        _guard(looker.metric(find_metric(name)), margin) for name, margin in plan.guardrails.items()
    ]  # fmt: skip
    counts = np.bincount(table.arm, minlength=len(table.arms))
    days = table.days()
    report: Report = {
        "format": FORMAT,
        "kind": "ab",
        "title": plan.title,
        "settings": {
            "alpha": plan.alpha, "looks": plan.looks, "planned_users": plan.planned_users, "window_days": table.window,
            "cuped": before is not None, "least_users": sequential.LEAST_USERS,
        },
        "period": [_shown_day(table.first.min()), _shown_day(table.end)] if days else None,
        "days": (table.end - float(np.floor(table.first.min() / DAY)) * DAY) / DAY if days else None,
        "arms": [
            {"name": name, "users": int(users), "assigned": assigned, "meant": weight / sum(table.arms.values())}
            for (name, weight), users, assigned in zip(table.arms.items(), counts, table.assigned, strict=True)
        ],
        "split": split,
        "quality": [asdict(count) for count in table.quality],
        "metrics": metrics,
        "guardrails": guardrails,
        "sequence": looker.sequence(find_metric(plan.metrics[0]), days),
    }  # fmt: skip
    report["verdict"] = conclude(report)
    return report


def check_split(table: Table) -> Report:
    """Test whether the arms got the users that they were meant to get, before and after bots are left out."""
    weights = list(table.arms.values())
    counts = np.bincount(table.arm, minlength=len(weights)).tolist()
    found = [sample_ratio(users, weights) for users in (table.assigned, counts)]
    statistic, p = min(found, key=lambda one: one[1])
    return {"chi_square": statistic, "p": p, "threshold": SRM_ALPHA, "failed": p < SRM_ALPHA}


class _Looker:
    """Looks at metrics of a table, at the end or at the end of a day."""

    def __init__(self, table: Table, plan: Plan, before: Logs | None) -> None:
        self._table = table
        self._plan = plan
        self._past = None if before is None else _Past(before, table)

    def metric(self, metric: Metric) -> Report:
        """Return a metric's values by arm and its comparisons with the control."""
        samples, explained = self.samples(metric)
        control, *others = self._table.arms
        entry: Report = {
            "name": metric.name, "text": metric.text, "higher_is_better": metric.higher_is_better,
            "percent": metric.percent, "cuped": explained, "arms": {}, "comparisons": [], "missing": None,
        }  # fmt: skip
        if samples is None:
            entry["missing"] = f"not measured: {self._missing(metric)}"
            return entry
        entry["arms"] = {
            name: {"value": sample.mean, "error": math.sqrt(sample.squared_error)} for name, sample in samples.items()
        }
        entry["comparisons"] = [
            {"arm": other, **self.comparison(compare(samples[control], samples[other]))} for other in others
        ]
        return entry

    def samples(self, metric: Metric, until: float | None = None) -> tuple[dict[str, Sample] | None, float | None]:
        """Return each arm's estimate, None where one has no users or nothing to divide by; and CUPED's share."""
        numerator, denominator = self._table.values(metric, until)
        present = self._table.present(until)
        if metric.numerator not in self._table.streams:
            return None, None
        groups, rows = [], []
        for place in range(len(self._table.arms)):
            who = np.flatnonzero(present & (self._table.arm == place))
            below = None if denominator is None else denominator[who]
            if len(who) < 2 or (below is not None and not below.sum()):
                return None, None
            groups.append(linearise(numerator[who], below))
            rows.append(who)
        explained = None
        if self._past is not None:
            past = self._past.values(metric)
            groups, explained = cuped(groups, [past[who] for who in rows])
        return dict(zip(self._table.arms, map(summarise, groups), strict=True)), explained

    def comparison(self, found: Difference) -> Report:
        """Return a comparison as the report holds it."""
        plan = self._plan
        once = found.critical(plan.alpha)
        users = sequential.effective_users(found.control.users, found.treatment.users)
        wide = sequential.critical(users, planned=plan.planned_users, alpha=plan.alpha)
        early = min(found.control.users, found.treatment.users) < sequential.LEAST_USERS
        any_p = 1.0 if early else sequential.p_value(found.z, users, planned=plan.planned_users, alpha=plan.alpha)
        return {
            "difference": found.difference, "error": found.error, "lift": found.lift,
            "once": {"interval": found.interval(once), "lift_interval": found.lift_interval(once), "p": found.p},
            "any": {
                "interval": None if early else found.interval(wide),
                "lift_interval": None if early else found.lift_interval(wide),
                "p": any_p,
            },
        }  # fmt: skip

    def sequence(self, metric: Metric, days: Sequence[float]) -> list[Report]:
        """Return the comparisons at the end of each day."""
        looks = []
        control, *others = self._table.arms
        for until in days:
            samples, _ = self.samples(metric, until)
            if samples is None:
                continue
            entry: Report = {"until": _shown_day(until - 1), "users": sum(one.users for one in samples.values())}
            entry["comparisons"] = [
                {"arm": other, **self.comparison(compare(samples[control], samples[other]))} for other in others
            ]
            looks.append(entry)
        return looks

    def _missing(self, metric: Metric) -> str:
        needed = {metric.numerator, metric.denominator} - {None, *self._table.streams}
        return f"the logs have nothing of {', '.join(sorted(map(str, needed)))}" if needed else "an arm has no data"


class _Past:
    """The time before the experiment, for the users of a table."""

    def __init__(self, logs: Logs, table: Table) -> None:
        self._places = np.array([logs.users.get(name, -1) for name in table.ids])
        self._logs = logs

    def values(self, metric: Metric) -> Array:
        """Return one value a user; users without a past have the value that changes nothing on average."""
        numerator = self._sums(metric.numerator)
        if metric.binary:
            numerator = np.minimum(numerator, 1.0)
        if metric.denominator is None:
            return numerator
        denominator = self._sums(metric.denominator)
        return linearise(numerator, denominator) if denominator.sum() else np.zeros(len(numerator))

    def _sums(self, name: str) -> Array:
        if name not in self._logs.streams:
            return np.zeros(len(self._places))
        users, _, amounts = self._logs.streams[name].arrays()
        sums = np.append(np.bincount(users, weights=amounts, minlength=len(self._logs.users)), 0.0)
        return np.asarray(sums[self._places])


def _adjust(metrics: Sequence[Report], plan: Plan) -> None:
    """Add p-values that may be read together, over all metrics and arms."""
    for kind in ("once", "any"):
        family = [one[kind] for metric in metrics for one in metric["comparisons"]]
        for one, adjusted in zip(family, holm([one["p"] for one in family]), strict=True):
            one["p_holm"] = adjusted
    for metric in metrics:
        for one in metric["comparisons"]:
            one["significant"] = one[plan.looks]["p_holm"] <= plan.alpha


def _guard(entry: Report, margin: float) -> Report:
    """Add to every comparison whether the loss is surely within the margin ("kept"), surely not ("hurt"), or "open"."""
    entry["margin"] = margin
    for one in entry["comparisons"]:
        for kind in ("once", "any"):
            interval = (0.0, 0.0) if one["error"] == one["difference"] == 0 else one[kind]["lift_interval"]
            one[kind]["state"] = _state(interval, margin, higher=entry["higher_is_better"])
    return entry


def _state(interval: Sequence[float] | None, margin: float, *, higher: bool) -> str:
    if interval is None:
        return "open"
    worst, best = (interval[0], interval[1]) if higher else (-interval[1], -interval[0])
    return "kept" if worst > -margin else "hurt" if best < -margin else "open"


def _shown_day(time: float) -> str:
    return datetime.fromtimestamp(float(time), tz=UTC).date().isoformat()

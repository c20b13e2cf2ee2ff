"""Reports: figures against scipy, the split before everything, guardrails, several arms, days, words, the page."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare, ttest_ind

from resift.errors import InputError
from resift.experiments import Logs, Plan, World, analyse, make_table, simulate
from resift.experiments.logs import Stream
from resift.experiments.metrics import find_metric
from resift.experiments.page import as_html
from resift.experiments.plots import nice_ticks
from resift.experiments.tables import as_text


def made(arms: dict[str, int], *, rates: dict[str, float], seed: int = 0) -> Logs:
    """One exposure a user; orders at a rate."""
    logs, rng = Logs(), np.random.default_rng(seed)
    logs.streams["orders"] = Stream()
    for arm, users in arms.items():
        for i in range(users):
            place = logs.expose(f"{arm}{i}", arm)
            time = 1.7e9 + float(rng.uniform(0, 10 * 86_400))
            logs.add("exposures", place, time, 1.0)
            logs.add("sum ms", place, time, float(rng.normal(50 if arm == "control" else 56, 5)))
            logs.add("n ms", place, time, 1.0)
            if rng.random() < rates[arm]:
                logs.add("orders", place, time + 60, 1.0)
    return logs


def report_of(logs: Logs, table: dict[str, Any] | None = None, **plan: Any) -> dict[str, Any]:
    plan = {"metrics": ["conversion"], "planned_users": 2000, **plan}
    return analyse(logs, Plan(**plan), table=make_table(logs, **(table or {})))


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    happened, _ = simulate(World(users=2500, gain=0.365, buys=0.27), seed=3)
    guardrails = {"exposures_per_user": 0.1}
    return analyse(happened.logs(), Plan(planned_users=2500, guardrails=guardrails, title="a <b> & c"))


def test_figures_are_scipys() -> None:
    logs = made({"control": 700, "treatment": 720}, rates={"control": 0.2, "treatment": 0.3})
    report = report_of(logs)
    table = make_table(logs)
    values = table.values(find_metric("conversion"))[0]
    expected = ttest_ind(values[table.arm == 1], values[table.arm == 0], equal_var=False)
    one = report["metrics"][0]["comparisons"][0]
    assert one["once"]["p"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert one["once"]["interval"] == pytest.approx((interval.low, interval.high))
    assert report["split"]["p"] == pytest.approx(chisquare([700, 720]).pvalue)
    wide, narrow = one["any"]["interval"], one["once"]["interval"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_wrong_split_has_no_verdict_whatever_the_effect() -> None:
    logs = made({"control": 1000, "treatment": 1180}, rates={"control": 0.1, "treatment": 0.4})
    report = report_of(logs)
    assert report["verdict"]["refused"]
    assert report["verdict"]["decisions"] == {}
    assert "sample ratio mismatch" in report["verdict"]["lines"][0]
    assert "1,180" in report["verdict"]["lines"][0]
    assert "go live" not in as_text(report) + as_html(report)
    meant = report_of(logs, {"arms": {"control": 1000, "treatment": 1180}})
    assert meant["verdict"]["decisions"] == {"treatment": "better"}


def test_bots_that_tilt_the_split_are_noticed() -> None:
    logs = made({"control": 500, "treatment": 500}, rates={"control": 0.2, "treatment": 0.2})
    for user in range(120):
        for i in range(60):
            logs.add("exposures", logs.users[f"treatment{user}"], 1.7e9 + 5 + i, 1.0)
    assert not report_of(logs)["split"]["failed"]
    assert report_of(logs, {"bot_cap": 50})["split"]["failed"]


@pytest.mark.parametrize(
    ("rate", "guardrails", "decision"),
    [
        (0.4, {}, "better"),
        (0.1, {}, "worse"),
        (0.205, {}, "open"),
        (0.4, {"low:ms": 0.05}, "harm"),  # 12% slower
        (0.4, {"low:ms": 0.3}, "better"),
        (0.4, {"low:ms": 0.0}, "unguarded"),  # in place of 0 the lift that there is
        (0.4, {"zero_results": 0.1}, "unguarded"),  # not in the log
    ],
)
@pytest.mark.parametrize("looks", ["any", "once"])
def test_decisions(rate: float, guardrails: dict[str, float], decision: str, looks: str) -> None:
    logs = made({"control": 900, "treatment": 900}, rates={"control": 0.2, "treatment": rate})
    if 0.0 in guardrails.values():
        guardrails = {"low:ms": report_of(logs, metrics=["low:ms"])["metrics"][0]["comparisons"][0]["lift"]}
    report = report_of(logs, guardrails=guardrails, looks=looks)
    assert report["verdict"]["decisions"] == {"treatment": decision}
    assert as_text(report)


def test_low_is_better_where_it_is() -> None:
    logs = made({"control": 900, "treatment": 900}, rates={"control": 0.2, "treatment": 0.2})
    assert report_of(logs, metrics=["low:ms"])["verdict"]["decisions"] == {"treatment": "worse"}
    assert report_of(logs, metrics=["high:ms"])["verdict"]["decisions"] == {"treatment": "better"}


def test_p_values_of_all_arms_and_metrics_are_adjusted_together() -> None:
    logs = made(
        {"control": 600, "a": 600, "b": 600}, rates={"control": 0.2, "a": 0.255, "b": 0.2}, seed=4
    )  # fmt: skip
    report = report_of(logs, metrics=["conversion", "low:ms"], looks="once")
    ones = [one["once"] for metric in report["metrics"] for one in metric["comparisons"]]
    assert len(ones) == 4
    assert min(one["p"] for one in ones) * 4 == pytest.approx(min(one["p_holm"] for one in ones))
    assert all(one["p_holm"] >= one["p"] for one in ones)
    assert set(report["verdict"]["decisions"]) == {"a", "b"}
    assert "conversion by day: b" in as_html(report)


def test_the_last_day_is_the_whole(simulated: dict[str, Any]) -> None:
    last, whole = simulated["sequence"][-1]["comparisons"][0], simulated["metrics"][0]["comparisons"][0]
    assert last["difference"] == pytest.approx(whole["difference"])
    assert last["any"]["interval"] == pytest.approx(whole["any"]["interval"])
    assert len(simulated["sequence"]) == 14
    users = [look["users"] for look in simulated["sequence"]]
    assert users == sorted(users)
    assert users[-1] == sum(arm["users"] for arm in simulated["arms"])


def test_a_window_makes_each_day_final() -> None:
    happened, _ = simulate(World(users=1500, gain=0.4), seed=3)
    logs = happened.logs()
    report = analyse(logs, Plan(metrics=["ctr"]), table=make_table(logs, window=3))
    last, whole = report["sequence"][-1]["comparisons"][0], report["metrics"][0]["comparisons"][0]
    assert last["difference"] == pytest.approx(whole["difference"])


def test_few_users_say_nothing_yet() -> None:
    logs = made({"control": 60, "treatment": 60}, rates={"control": 0.1, "treatment": 0.7})
    report = report_of(logs)
    assert report["metrics"][0]["comparisons"][0]["any"]["interval"] is None
    assert report["verdict"]["decisions"] == {"treatment": "open"}
    assert any("fewer than 100 users" in line for line in report["verdict"]["lines"])
    assert "no interval yet" in as_text(report)
    assert as_html(report)


def test_nobody_did_anything() -> None:
    logs = made({"control": 200, "treatment": 200}, rates={"control": 0, "treatment": 0})
    report = report_of(logs, guardrails={"orders_per_user": 0.1})
    assert report["metrics"][0]["comparisons"][0]["once"]["p"] == 1.0
    assert report["guardrails"][0]["comparisons"][0]["any"]["state"] == "kept"
    assert as_html(report)


def test_a_report_is_json(simulated: dict[str, Any]) -> None:
    assert json.loads(json.dumps(simulated, allow_nan=False))["format"] == 1


class _Page(HTMLParser):
    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing(simulated: dict[str, Any]) -> None:
    text = as_html(simulated)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert "a &lt;b&gt; &amp; c" in text
    assert not re.search(r"https?:|url\(|@import|<script|nan|inf\b", text)
    names = [name for name, _ in page.tags]
    assert names.count("svg") == 2
    dots = [attributes for name, attributes in page.tags if name == "circle"]
    assert len(dots) == 5 + 14  # metrics and guardrail, days
    assert all(0 <= float(one["cx"] or -1) <= 640 for one in dots)
    for line in simulated["verdict"]["lines"]:
        assert line.replace("<", "&lt;") in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("bounds", [(0, 0), (-0.3, 0.41), (0.001, 0.0011), (-7, 1200), (2, 3)])
def test_ticks_hold_what_they_should(bounds: tuple[float, float]) -> None:
    ticks = nice_ticks(*bounds)
    assert ticks[0] <= bounds[0] + 1e-12
    assert ticks[-1] >= bounds[1] - 1e-12
    assert min(map(abs, ticks)) == 0
    assert 2 <= len(ticks) <= 9


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0}, {"looks": "twice"}, {"planned_users": 0}, {"metrics": []}, {"guardrails": {"ctr": 2}},
     {"metrics": ["crt"]}],
)  # fmt: skip
def test_plans_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        report_of(made({"control": 9, "treatment": 9}, rates={"control": 1, "treatment": 1}), **wrong)

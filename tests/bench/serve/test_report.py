import json
from pathlib import Path

import pytest

from resift.bench.harness import Turn
from resift.bench.serve.measure import InProcess, Measured, Plan, Result
from resift.bench.serve.phase import Phase, Sent
from resift.bench.serve.pool import Pool, Request
from resift.bench.serve.report import Report, make_report
from resift.bench.serve.tables import RATIOS, SERVERS, as_markdown, as_text, names, table

POOLS = {
    "1": Pool("1", 1, [Request("q", ["d"], 10)]),
    "10": Pool("10", 10, [Request("q", ["d"] * 10, 100)] * 2),
    "100": Pool("100", 100, [Request("q", ["d"] * 100, 1000)]),
    "1000": Pool("1000", 1000, [Request("q", ["d"] * 1000, 10_000)]),
}
SCENARIOS = ("single", "hundred", "closed-64", "open-50", "busy")


def phase(group: str, seconds: list[float], *, pairs: int, foreign: float = 0.0, **more: object) -> Phase:
    sent = Sent(seconds=seconds, pairs=pairs, tokens=pairs * 10, wall=2.0, checked=pairs, **more)
    return Phase({group: sent}, Turn([2.0], foreign, 0.0), 0.01, 0.9)


def make(*, foreign: float = 0.0) -> Report:
    ours = Result(
        load_seconds=1.0, resident_mb=100.4, rates={"open-50": [5.0]},
        phases={
            "single": [phase("single", [0.01] * 100, pairs=100)],
            "hundred": [phase("hundred", [0.11], pairs=100), phase("hundred", [0.13], pairs=100)],
            "closed-64": [phase("load", [0.5] * 20, pairs=200), phase("load", [0.5] * 18, pairs=180)],
            "open-50": [phase("load", [0.2] * 10, pairs=100, refused={"429": 2}, lost={"Lost": 1}, wrong=3)],
            "busy": [phase("single", [0.02] * 100, pairs=100, foreign=foreign)],
        },
    )  # fmt: skip
    peer = Result(load_seconds=9.0, phases={"closed-64": [phase("load", [0.5] * 4, pairs=40)] * 2})
    results = {"resift-int8": ours, "infinity-torch": peer, "infinity-onnx-int8": Result("failed", "no weights")}
    engine = InProcess(hundred=[[0.1], [0.1]], load=[[0.2], [0.2]], turns=[Turn([1.0], 0.0, 0.0)])
    plan = Plan(
        folder=Path(), embedded=False, servers=list(results), pools=POOLS, load="10", scenarios=SCENARIOS, threads=2,
        rounds=2,
    )  # fmt: skip
    facts = {"model": "a model", "environment": {"processor": "a processor"}}
    return make_report(plan, Measured(results, {"resift-int8": engine}), facts=facts)


def test_ratios() -> None:
    ratios = make()["ratios"]
    assert ratios["http_cost_of_100_documents"] == {"resift-int8": 1.2}
    assert ratios["throughput_over_in_process"] == {"resift-int8": 0.95}  # 100 and 90 of 100 pairs a second
    assert ratios["single_p99_busy_over_idle"] == {"resift-int8": 2.0}
    assert ratios["throughput_over_peers"] == {"resift-int8": {"infinity-torch": 4.75, "infinity-onnx-int8": None}}


def test_figures() -> None:
    report = make()
    row = report["scenarios"]["closed-64"]["resift-int8"]
    assert row["pairs_per_second"] == 95.0 and row["tokens_per_second"] == 950.0 and row["requests"] == 38
    assert row["milliseconds_p50"] == 500.0 and row["generator_share"] == 0.01
    opened = report["scenarios"]["open-50"]["resift-int8"]
    assert opened["arrivals_per_second"] == 5.0 and opened["refused"] == {"429": 2} and opened["lost"] == {"Lost": 1}
    assert opened["scores_wrong"] == 3
    assert report["in_process"]["resift-int8"] == {"hundred_milliseconds_p50": 100.0, "pairs_per_second": 100.0}
    assert report["servers"]["infinity-onnx-int8"]["status"] == "failed"
    assert json.loads(json.dumps(report)) == report


def test_a_run_that_was_disturbed_is_not_clean() -> None:
    assert make()["noise"]["clean"] is True
    report = make(foreign=0.9)
    assert report["noise"]["clean"] is False
    assert "NOT CLEAN" in as_text(report) and "NOT CLEAN" in as_markdown(report)


def test_tables() -> None:
    report = make()
    assert names(report) == [RATIOS, "single", "hundred", "closed-64", "open-50", "busy-single", SERVERS]
    assert ["resift-int8", "pairs/s with the most clients over infinity-torch", "4.75", "at least 3"] in table(
        report, RATIOS
    ).rows
    assert table(report, "open-50").rows[0][-3:] == ["3", "2", "1"]
    assert "failed: no weights" in as_text(report)
    assert "| resift-int8 | 38 |" in as_markdown(report)
    with pytest.raises(KeyError):
        table(report, "nothing")

"""What an evaluation found, in words: the verdict, the method, the warnings that belong beside the figures."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from resift.evaluation.plan import Plan

Report: TypeAlias = dict[str, Any]
"""What is written as JSON: docs/guides/evaluate.md explains the figures."""

FIRST_STAGE = "first stage"
ALPHA = 0.05
_FEW = 50
_LITTLE = 0.01
_FOREIGN = 0.1


def row_name(model: str, depth: int) -> str:
    """Return what a model at a depth is called, in tables and in JSON."""
    return f"{model}, top {depth}"


def verdict(report: Report) -> list[str]:
    """Say in a sentence for each model whether reranking helps, at its deepest."""
    by_row = {one["row"]: one for one in report["comparisons"] if one["against"] == FIRST_STAGE}
    deepest = report["depths"][-1]
    return [
        f"{model}: {_finding(by_row[row_name(model, deepest)], report['primary'])}"
        for model in report["models"]
        if row_name(model, deepest) in by_row
    ]


def _finding(comparison: dict[str, Any], metric: str) -> str:
    low, high = comparison["interval"]
    size = f"{metric} {comparison['difference']:+.4f} (95% interval {low:+.4f} to {high:+.4f})"
    if comparison["p_holm"] < ALPHA:
        return f"reranking {'helps' if comparison['difference'] > 0 else 'hurts'}: {size}, {p_text(comparison)}"
    detectable = comparison["detectable"]
    if detectable is None:
        return f"no difference that could be tested: {size}, {p_text(comparison)}"
    return f"no difference shown: {size}, {p_text(comparison)}; these queries can show one of {detectable:.4f} or more"


def p_text(comparison: dict[str, Any]) -> str:
    """Return a corrected p-value for people."""
    p = comparison["p_holm"]
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def warnings(report: Report) -> Iterator[str]:
    """Yield what a reader should hear before believing the figures."""
    data = report["dataset"]
    out = data["left_out"]
    if data["questions"] < _FEW:
        yield f"{data['questions']} questions say little: to tell a difference of 0.03 takes a few hundred"
    for name, what in (
        ("unjudged", "queries without any judgement, left out"),
        ("nothing_relevant", "queries with nothing relevant, left out"),
        ("nothing_found", "queries without candidates, counted as 0"),
    ):
        if out[name]:
            yield f"{what}: {len(out[name])} (the first: {out[name][0]})"
    if out["unknown"]:
        yield f"judged queries without a text, left out: {out['unknown']}"
    untimed = [row["name"] for row in report["rows"] if row["model"] and row["timed_queries"] < data["measured"]]
    if untimed:
        yield f"times of some queries are not known, because scores were kept at other depths: {', '.join(untimed)}"
    for model, (cut, pairs) in report["cut"].items():
        if cut:
            yield f"{model}: {cut} of {pairs} pairs are longer than it reads and were cut (windows read all)"
    foreign = report.get("foreign_share")
    if foreign is not None and foreign > _FOREIGN:
        yield f"other programs took {foreign:.0%} of the processor meanwhile: do not quote the milliseconds"
    deepest = report["ceiling"][-1]
    if deepest["recall"] < 1 - _LITTLE:
        yield (
            f"{1 - deepest['recall']:.1%} of what is relevant is not among the first {deepest['depth']} candidates: no "
            "reranker can bring it back"
        )


def methods(plan: Plan, primary: str, *, rounds: int) -> list[str]:
    """Return how the figures were made, in plain words."""
    clusters = plan.clusters
    observed = "questions" if clusters is None else "questions (a question in several languages counts once)"
    return [
        f"The candidates are fixed: {plan.first_stage}. Every model gets the same ones, at most the first "
        f"{plan.depths[-1]}, and puts them in the order of its scores; equal scores keep their order. Candidates below "
        "the depth stay where they were. The order itself is measured, without ties.",
        "Metrics are those of ir_measures (pytrec_eval). The mean is over all queries that have a relevant document; "
        "one whose candidates hold none counts as 0.",
        "The ceiling is the best order that the same candidates allow; the recall beside it is the share of the "
        "relevant documents among them.",
        f"Intervals: 95%, percentile bootstrap over {observed}, {rounds} draws. They say how far the figure would move "
        "with other questions of the same kind, and nothing about other data.",
        f"p-values: paired randomisation test on {primary}, two-sided (all sign patterns when at most 16 questions "
        f"differ, else {rounds} drawn). They are corrected by Holm's method: those of the table over all comparisons "
        "in it, those by language or dataset over all of theirs. Below 0.05 is called a difference.",
        "What can be shown: the true difference that a test at 0.05 would find four times in five with these "
        "questions. No difference found means none larger than about that, not none.",
        "Milliseconds: one query at a time, its candidates in slices up to each depth, the model loaded already; on "
        "this machine, as busy as it was when the scores were made (kept scores keep their times).",
    ]

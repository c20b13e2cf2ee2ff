"""A report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resift.experiments.wording import count, interval_text, p_text, percent, value_text


def as_text(report: Mapping[str, Any]) -> str:
    """Return the report of an A/B test or of interleaving as tables and sentences."""
    return "\n".join(_interleaving(report) if report["kind"] == "interleaving" else _test(report))


def _test(report: Mapping[str, Any]) -> Iterator[str]:
    yield report["title"]
    yield ""
    yield from report["verdict"]["lines"]
    yield ""
    yield from aligned(
        ["arm", "users", "share", "meant"],
        [
            [arm["name"], count(arm["users"]), _share(arm["assigned"], report), f"{100 * arm['meant']:.3g}%"]
            for arm in report["arms"]
        ],
    )
    state = "WRONG" if report["split"]["failed"] else "as meant"
    yield f"split: {state}, p {p_text(report['split']['p'])}"
    for kind, title in (("metrics", "metric"), ("guardrails", "guardrail")):
        rows = [row for metric in report[kind] for row in _rows(report, metric)]
        if rows:
            yield ""
            head = [title, "arm", "value", "lift", "one look", "any looks", "p one", "p any"]
            yield from aligned(head, rows)
    level = 100 * (1 - report["settings"]["alpha"])
    yield f"intervals: {level:g}%, of the lift; p-values of metrics are adjusted together (Holm)"
    if report["quality"]:
        yield ""
        yield from aligned(
            ["left out or odd", "number", "by arm"], [[one["what"], count(one["number"]), by_arm(one)] for one in
                                                      report["quality"]],
        )  # fmt: skip


def _rows(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Iterator[list[str]]:
    if metric["missing"]:
        yield [metric["name"], metric["missing"], *[""] * 6]
        return
    control = report["arms"][0]["name"]
    yield [metric["name"], control, value_text(metric["arms"][control]["value"], metric), *[""] * 5]
    for one in metric["comparisons"]:
        p = [p_text(one[looks].get("p_holm", one[looks]["p"])) for looks in ("once", "any")]
        yield [
            "",
            one["arm"],
            value_text(metric["arms"][one["arm"]]["value"], metric),
            "" if one["lift"] is None else percent(one["lift"]),
            interval_text(one["once"]["lift_interval"]),
            interval_text(one["any"]["lift_interval"]),
            *p,
        ]


def _interleaving(report: Mapping[str, Any]) -> Iterator[str]:
    yield report["title"]
    yield ""
    yield from report["verdict"]["lines"]
    yield ""
    rows = [
        ["users who chose b", count(report["wins_b"])],
        ["users who chose a", count(report["wins_a"])],
        ["users who chose both alike", count(report["ties"])],
        ["b's share of decided users", f"{100 * report['win_rate']:.1f}%"],
        ["its exact interval", _shares(report["exact_interval"])],
        ["b's share of clicks, mean of users", f"{100 * report['click_share']:.1f}%"],
        ["its bootstrap interval", _shares(report["bootstrap_interval"])],
        ["p (exact, two-sided)", p_text(report["p"])],
        ["p at any number of looks", p_text(report["p_any"])],
    ]
    yield from aligned(["", ""], rows)
    if report["quality"]:
        yield ""
        yield from aligned(
            ["left out or odd", "number"], [[one["what"], count(one["number"])] for one in report["quality"]]
        )


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: the first column to the left, the others to the right unless they are text."""
    table = [list(head), *map(list, rows)] if any(head) else [list(row) for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    numeric = [i > 0 and any(row[i][:1].isdigit() or row[i][:1] in "+-<" for row in rows if row[i]) for i in
               range(len(head))]  # fmt: skip
    for row in table:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def by_arm(one: Mapping[str, Any]) -> str:
    """Return what a count is in each arm."""
    return ", ".join(f"{name} {count(number)}" for name, number in one["arms"].items())


def _share(users: int, report: Mapping[str, Any]) -> str:
    everyone = sum(arm["assigned"] for arm in report["arms"])
    return f"{100 * users / everyone:.2f}%" if everyone else ""


def _shares(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f}% to {100 * interval[1]:.1f}%"

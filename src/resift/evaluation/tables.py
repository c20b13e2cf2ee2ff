"""A report as tables: for a terminal, for a spreadsheet, for a paper."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from resift.evaluation.report import ALPHA, FIRST_STAGE, Report, p_text, verdict, warnings

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
_SHOWN_CHANGES = 3
_SHOWN_TEXT = 90


def against_first(report: Report) -> dict[str, dict[str, Any]]:
    """Return the comparison of each row with the first stage."""
    return {one["row"]: one for one in report["comparisons"] if one["against"] == FIRST_STAGE}


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    data = report["dataset"]
    questions = "" if data["questions"] == data["measured"] else f" ({data['questions']} questions)"
    lines = [
        f"{data['name']}: {data['measured']} queries{questions}, {data['candidates']:.0f} candidates each "
        f"(first stage: {report['first_stage']}), {data['documents']} documents",
        "",
        *_aligned(_main_table(report)),
    ]
    between = [one for one in report["comparisons"] if one["against"] != FIRST_STAGE]
    if between:
        lines += ["", "Between models", *_aligned([["", "difference", "95% interval", ""], *map(_between, between)])]
    for by in dict.fromkeys(group["by"] for group in report["groups"]):
        lines += ["", f"By {by} ({report['primary']})", *_aligned(_group_table(report, by))]
    for change in report["changes"]:
        lines += ["", *_changes(report, change)]
    notes = [*(f"note: {text}" for text in data["notes"]), *(f"note: {text}" for text in warnings(report))]
    return "\n".join([*lines, "", *notes, *verdict(report)])


def _main_table(report: Report) -> list[list[str]]:
    compared = against_first(report)
    metrics = report["metrics"]
    head = [
        "",
        *metrics,
        "ms p50",
        "ms p95",
        f"change of {report['primary']}",
        "95% interval",
        "Holm",
        "helped",
        "hurt",
    ]
    rows = [head]
    for row in report["rows"]:
        cells = [row["name"], *(f"{row['means'][metric]:.4f}" for metric in metrics)]
        cells += [shown_time(row.get("milliseconds_p50")), shown_time(row.get("milliseconds_p95"))]
        one = compared.get(row["name"])
        rows.append([*cells, *(_compared(one) if one is not None else [""] * 5)])
    for ceiling in report["ceiling"]:
        means = [f"{ceiling['means'][metric]:.4f}" for metric in metrics]
        recall = f"recall {ceiling['recall']:.4f}"
        rows.append([f"best order, top {ceiling['depth']}", *means, "", "", "", recall, "", "", ""])
    return rows


def _compared(one: dict[str, Any]) -> list[str]:
    low, high = one["interval"]
    return [
        f"{one['difference']:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        p_text(one),
        str(one["helped"]),
        str(one["hurt"]),
    ]


def _between(one: dict[str, Any]) -> list[str]:
    low, high = one["interval"]
    return [f"{one['row']} - {one['against']}", f"{one['difference']:+.4f}", f"{low:+.4f} to {high:+.4f}", p_text(one)]


def _group_table(report: Report, by: str) -> list[list[str]]:
    groups = [group for group in report["groups"] if group["by"] == by]
    names = [row["name"] for row in groups[0]["rows"]]
    rows = [["", "queries", *(part for name in names for part in ((name,) if name == FIRST_STAGE else (name, "Holm")))]]
    for group in groups:
        p = {one["row"]: p_text(one) for one in group["comparisons"]}
        cells = [group["name"], str(group["queries"])]
        for row in group["rows"]:
            cells += [f"{row['mean']:.4f}", *([p[row["name"]]] if row["name"] in p else [])]
        rows.append(cells)
    return rows


def _changes(report: Report, change: dict[str, Any]) -> Iterator[str]:
    one = against_first(report)[change["row"]]
    total = report["dataset"]["measured"]
    yield (
        f"{change['row']}: {one['helped'] / total:.0%} of the queries helped, {one['hurt'] / total:.0%} hurt, "
        f"{one['unchanged'] / total:.0%} unchanged; hurt most:"
    )
    for found in change["worst"][:_SHOWN_CHANGES]:
        yield (
            f"  {found['before']:.3f} -> {found['after']:.3f}  {_short(found['text'])}"
            + (f"  (relevant: {found['rank_before']} -> {found['rank_after']})" if found["relevant"] else "")
        )
        yield f"      first now: {_short(found['first_text'])}"
    if not change["worst"]:
        yield "  none"


def as_csv(report: Report) -> str:
    """Return one line for each row of the table, then those of the groups, for a spreadsheet."""
    out = io.StringIO()
    metrics = report["metrics"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "group",
            "row",
            "model",
            "depth",
            "queries",
            *metrics,
            "interval_low",
            "interval_high",
            "milliseconds_p50",
            "milliseconds_p95",
            "difference",
            "difference_low",
            "difference_high",
            "p",
            "p_holm",
            "helped",
            "hurt",
            "unchanged",
        ]
    )
    compared = against_first(report)
    for row in report["rows"]:
        means = [row["means"][metric] for metric in metrics]
        times = [row.get("milliseconds_p50"), row.get("milliseconds_p95")]
        head = ["", row["name"], row["model"], row["depth"], report["dataset"]["measured"]]
        writer.writerow([*head, *means, *row["interval"], *times, *_compared_cells(compared.get(row["name"]))])
    for ceiling in report["ceiling"]:
        means = [ceiling["means"][metric] for metric in metrics]
        head = ["", f"best order, top {ceiling['depth']}", "", ceiling["depth"], report["dataset"]["measured"]]
        writer.writerow([*head, *means, *[""] * 12])
    for group in report["groups"]:
        found = {one["row"]: one for one in group["comparisons"]}
        for row in group["rows"]:
            means = [row["mean"] if metric == report["primary"] else "" for metric in metrics]
            head = [f"{group['by']}={group['name']}", row["name"], "", "", group["queries"]]
            writer.writerow([*head, *means, *row["interval"], "", "", *_compared_cells(found.get(row["name"]))])
    return out.getvalue().rstrip("\n")


def _compared_cells(one: dict[str, Any] | None) -> list[object]:
    if one is None:
        return [""] * 8
    names = ("p", "p_holm", "helped", "hurt", "unchanged")
    return [one["difference"], *one["interval"], *(one[name] for name in names)]


def queries_csv(report: Report) -> str:
    """Return every query's values: one line a query, one column for each row of the table and metric."""
    out = io.StringIO()
    found = report["queries"]
    columns = [(row, metric) for row in found["values"] for metric in report["metrics"]]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["query", "language", "cluster", *(f"{metric} {row}" for row, metric in columns)])
    for place, key in enumerate(found["id"]):
        cells = [found["values"][row][metric][place] for row, metric in columns]
        writer.writerow([key, found["language"][place], found["cluster"][place], *cells])
    return out.getvalue().rstrip("\n")


def as_latex(report: Report) -> str:
    """Return the table for a paper (packages: booktabs); a dagger marks what differs from the first stage."""
    metrics = report["metrics"]
    compared = against_first(report)
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(metrics) + 1)}}}",
        r"\toprule",
        " & ".join(["", *map(_latex, metrics), "ms"]) + r" \\",
        r"\midrule",
    ]
    best = {metric: max(row["means"][metric] for row in report["rows"]) for metric in metrics}
    for row in report["rows"]:
        one = compared.get(row["name"])
        cells = []
        for metric in metrics:
            value = f"{row['means'][metric]:.4f}"
            cell = rf"\textbf{{{value}}}" if row["means"][metric] == best[metric] else value
            marked = metric == report["primary"] and one is not None and one["p_holm"] < ALPHA
            cells.append(cell + r"$^{\dagger}$" if marked else cell)
        lines.append(" & ".join([_latex(row["name"]), *cells, shown_time(row.get("milliseconds_p50"))]) + r" \\")
    ceiling = report["ceiling"][-1]
    means = [f"{ceiling['means'][metric]:.4f}" for metric in metrics]
    lines += [
        r"\midrule",
        " & ".join([f"best order, top {ceiling['depth']}", *means, ""]) + r" \\",
        r"\bottomrule",
        r"\end{tabular}",
        rf"% dagger: {report['primary']} differs from the first stage, p < {ALPHA}, paired randomisation, Holm",
    ]
    return "\n".join(lines)


def _latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)


def shown_time(value: float | None) -> str:
    """Return milliseconds for people; nothing for none."""
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_TEXT else line[: _SHOWN_TEXT - 1] + "…"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([row[0].ljust(len(first)), *rest]).rstrip()

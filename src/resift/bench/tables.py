"""A report as tables, for a terminal or for a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resift.bench.report import Report


@dataclass(frozen=True)
class Table:
    """Rows of texts under a title; the first column is of names."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(report: Report) -> Iterator[Table]:
    """Yield one table for each workload, fastest first, then one of the peers themselves."""
    for name in report["workloads"]:
        yield workload_table(report, name)
    yield peers_table(report)


def workload_table(report: Report, name: str) -> Table:
    """Return the figures of one workload."""
    part = report["workloads"][name]
    ours = list(dict.fromkeys(our for row in part["peers"].values() for our in row["resift_is_faster_by"]))
    ours = [our for our in ours if our in part["peers"]]
    columns = [
        "", "precision", "pairs/s", "tokens/s", "p50 ms", "p95 ms", "p99 ms", "of peak", "tokenising",
        "Spearman", "max diff", *(f"{our} is" for our in ours if len(part["peers"]) > 1),
    ]  # fmt: skip
    ranked = sorted(part["peers"].items(), key=lambda item: -item[1]["pairs_per_second"])
    rows = [[peer, *_cells(row), *_ratios(row, ours, len(part["peers"]) > 1)] for peer, row in ranked]
    return Table(f"{name}: {part['pairs']} pairs, {part['tokens']} tokens", columns, rows)


def peers_table(report: Report) -> Table:
    """Return what is the same for all workloads: kernel, load time, memory, versions; or why a peer did not run."""
    rows = []
    for name, peer in report["peers"].items():
        if peer["status"] != "ok":
            rows.append([name, f"{peer['status']}: {peer['message']}", "", "", "", ""])
            continue
        versions = ", ".join(f"{package} {version}" for package, version in peer["versions"].items())
        memory = [str(peer["resident_mb"]), str(peer["peak_mb"])]
        rows.append([name, shown(peer["kernel"]), shown(peer["load_seconds"]), *memory, versions])
    return Table("peers", ["", "kernel", "load s", "MB now", "MB peak", "versions"], rows)


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [machine(report), ""]
    for table in tables(report):
        lines += [table.title, *aligned(table), ""]
    return "\n".join([*lines, verdict(report)])


def as_markdown(report: Report) -> str:
    """Return the report for a page."""
    parts = [machine(report), ""]
    for table in tables(report):
        parts += [f"**{table.title}**", "", markdown(table), ""]
    return "\n".join([*parts, verdict(report)])


def markdown(table: Table) -> str:
    """Return one table for a page."""
    line = "|" + "---|" + "---:|" * (len(table.columns) - 1)
    rows = [table.columns, *table.rows]
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([written[0], line, *written[1:]])


def verdict(report: Report) -> str:
    """Say whether the run may be quoted."""
    noise = report["noise"]
    return "clean: yes" if noise["clean"] else f"NOT CLEAN: {noise['reason']}"


def machine(report: Report) -> str:
    """Say what was measured on what."""
    settings, environment = report["settings"], report["environment"]
    held = f", held to {settings['instruction_set']}" if settings["instruction_set"] is not None else ""
    peaks = ", ".join(f"{name} {value / 1e9:.0f}" for name, value in report["peak_operations_per_second"].items())
    peak = f"; measured peak, billions of operations per second: {peaks}" if peaks else ""
    return f"{report['model']}\n{environment['processor']}, {settings['threads']} threads{held}{peak}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = ("pairs_per_second", "tokens_per_second", "milliseconds_p50", "milliseconds_p95", "milliseconds_p99")
    shares = (row["share_of_peak"], row["share_of_tokenising"])
    return [
        str(row["precision"]),
        *(shown(row[name]) for name in names),
        *("-" if share is None else f"{share:.1%}" for share in shares),
        shown(row["spearman"]),
        shown(row["max_difference"]),
    ]


def _ratios(row: Mapping[str, Any], ours: Sequence[str], wanted: bool) -> list[str]:
    if not wanted:
        return []
    found = (row["resift_is_faster_by"][our] for our in ours)
    return ["-" if value is None else f"{value}x as fast" for value in found]


def aligned(table: Table) -> Iterator[str]:
    """Yield the table's lines for a terminal."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[place]) for row in rows if row[-1] or place != 1) for place in range(len(table.columns))]
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join([row[0].ljust(len(first)), *rest]).rstrip()


def shown(value: object) -> str:
    """Return a figure as tables have it."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:g}"
    return "-" if value is None else str(value)

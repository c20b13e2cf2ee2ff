"""A report of servers as tables, for a terminal or for a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from resift.bench.serve.report import Report
from resift.bench.tables import Table, aligned, markdown, shown, verdict

RATIOS = "ratios"
SERVERS = "servers"
_TARGETS = {
    "http_cost_of_100_documents": ("time of a request of 100 documents over Reranker in process", "at most 1.15"),
    "throughput_over_in_process": ("pairs/s with the most clients over the engine in process", "at least 0.95"),
    "single_p99_busy_over_idle": ("p99 of single pairs beside requests of 1000 documents, over idle", "under 3"),
    "throughput_over_peers": ("pairs/s with the most clients over {}", "at least 3"),
}


def tables(report: Report) -> Iterator[Table]:
    """Yield the ratios, one table for each scenario, and one of the servers themselves."""
    for name in (RATIOS, *report["scenarios"], SERVERS):
        yield table(report, name)


def table(report: Report, name: str) -> Table:
    """Return one table; raises KeyError where the report has none of the name."""
    if name == RATIOS:
        return _ratios(report)
    if name == SERVERS:
        return _servers(report)
    return _scenario(name, report["scenarios"][name])


def names(report: Report) -> list[str]:
    """Return the names of all tables."""
    return [RATIOS, *report["scenarios"], SERVERS]


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [about(report), ""]
    for one in tables(report):
        lines += [one.title, *aligned(one), ""]
    return "\n".join([*lines, verdict(report)])


def as_markdown(report: Report) -> str:
    """Return the report for a page."""
    parts = [about(report), ""]
    for one in tables(report):
        parts += [f"**{one.title}**", "", markdown(one), ""]
    return "\n".join([*parts, verdict(report)])


def about(report: Report) -> str:
    """Say what was measured on what."""
    settings = report["settings"]
    return (
        f"{report['model']}\n{report['environment']['processor']}, {settings['threads']} threads; "
        f"{settings['documents_under_load']} documents in a request under load"
    )


def _ratios(report: Report) -> Table:
    rows = []
    for name, (what, target) in _TARGETS.items():
        for server, value in report["ratios"][name].items():
            values: Mapping[str, Any] = value if isinstance(value, Mapping) else {"": value}
            rows += [[server, what.format(peer), shown(one), target] for peer, one in values.items()]
    return Table("ratios", ["", "what", "measured", "target"], rows)


def _scenario(name: str, servers: Report) -> Table:
    columns = [
        "", "requests", "requests/s", "pairs/s", "tokens/s", "p50 ms", "p95 ms", "p99 ms", "server's cores",
        "generator's", "scores checked", "wrong", "refused", "lost",
    ]  # fmt: skip
    rows = []
    for server, row in servers.items():
        rates = ("requests_per_second", "pairs_per_second", "tokens_per_second")
        times = ("milliseconds_p50", "milliseconds_p95", "milliseconds_p99")
        shares = [f"{row[share]:.0%}" if share == "server_share" else f"{row[share]:.1%}" for share in _SHARES]
        counts = [str(row["scores_checked"]), str(row["scores_wrong"])]
        failed = [str(sum(row[kind].values())) for kind in ("refused", "lost")]
        figures = [shown(row[key]) for key in (*rates, *times)]
        rows.append([server, str(row["requests"]), *figures, *shares, *counts, *failed])
    return Table(name, columns, rows)


_SHARES = ("server_share", "generator_share")


def _servers(report: Report) -> Table:
    rows = []
    for name, server in report["servers"].items():
        if server["status"] != "ok":
            rows.append([name, f"{server['status']}: {server['message']}", "", "", ""])
            continue
        versions = ", ".join(f"{package} {version}" for package, version in server["versions"].items())
        memory = str(server["resident_mb"])
        rows.append([name, server["precision"], shown(server["load_seconds"]), memory, versions])
    return Table("servers", ["", "precision", "ready after s", "MB", "versions"], rows)

"""The report as one HTML page that needs nothing beside it."""

from collections.abc import Iterator
from html import escape

from resift.calibration.measures import Bin, Estimate, Quality
from resift.calibration.report import CutoffRow, Report, verdict

_SIZE, _EDGE = 320, 44
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #777; --before: #c60; --after: #06c; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } .soft { color: var(--soft); }
.warn { border-left: 4px solid var(--before); padding-left: 1rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg .grid { stroke: var(--line); } svg .ideal { stroke: var(--soft); stroke-dasharray: 4 3; }
svg .before { stroke: var(--before); fill: var(--before); } svg .after { stroke: var(--after); fill: var(--after); }
"""


def as_html(report: Report) -> str:
    """Return the whole page."""
    title = f"Calibration of {report.model}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(_parts(report))
        + "\n</body>\n</html>\n"
    )


def _parts(report: Report) -> Iterator[str]:
    queries, pairs, relevant = report.counts
    yield f"<p><b>{escape(verdict(report))}</b></p>"
    yield f"<p>{pairs} pairs of {queries} queries, {relevant} relevant; {escape(report.precision)}; "
    yield f"<code>{escape(report.name)}</code>.</p>"
    if report.warnings:
        yield "<div class='warn'>" + "".join(f"<p>{escape(one)}</p>" for one in report.warnings) + "</div>"
    yield "<div class='plots'>"
    yield _figure("Before: sigmoid of the raw score", report.before.bins, "before")
    yield _figure(f"After: {report.method}", report.after.bins, "after")
    yield "</div><p class='soft'>Each point stands for equally many pairs of held-out queries; whiskers are 95% "
    yield "intervals over queries. On the dashed line probabilities are what they say.</p>"
    yield _table(
        ["held-out", "before", "after"],
        [
            ["Brier score", _shown(report.before.brier), _shown(report.after.brier)],
            ["log loss", _shown(report.before.log_loss), _shown(report.after.log_loss)],
            ["ECE", _shown(report.before.ece), _shown(report.after.ece)],
            *([f"log loss, {name} for all", "", _shown(one)] for name, one in report.curves.items()),
        ],
    )
    yield "<h2>Cut-offs</h2>"
    head = ["group", "keep", "raw score", "probability", "kept, held-out", "irrelevant dropped"]
    yield _table(head, [_cutoff(row) for row in report.cutoffs])
    yield "<p class='soft'>A relevant passage of a new query, chosen at random, is kept with at least the probability "
    yield "in the column keep, if the labelled queries and the new one are drawn in the same way.</p>"
    if report.groups:
        yield from _groups(report)


def _groups(report: Report) -> Iterator[str]:
    yield "<h2>Groups</h2>"
    head = [
        "group",
        "queries",
        "pairs",
        "relevant",
        "curve",
        "ECE before",
        "ECE shared",
        "ECE after",
        "own curve's gain",
    ]
    yield _table(
        head,
        [
            [
                row.name,
                *map(str, row.counts),
                "own" if row.own else "shared",
                *(_shown(quality.ece) for quality in (row.before, row.shared, row.after)),
                "" if row.gain is None else _shown(row.gain),
            ]
            for row in report.groups
        ],
    )
    yield "<div class='plots'>" + "".join(_pair(row.name, row.after) for row in report.groups) + "</div>"


def _pair(name: str, quality: Quality) -> str:
    return _figure(name, quality.bins, "after")


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _cutoff(row: CutoffRow) -> list[str]:
    if row.raw is None or row.probability is None or row.kept is None or row.dropped is None:
        return [row.group, f"{row.keep:.0%}", "", "", f"{row.queries} queries, {row.needed} needed", ""]
    kept = f"{row.kept.value:.1%} ({row.kept.low:.1%} to {row.kept.high:.1%})"
    return [row.group, f"{row.keep:.0%}", f"{row.raw:.4f}", f"{row.probability:.4f}", kept, f"{row.dropped:.1%}"]


def _figure(title: str, bins: tuple[Bin, ...], kind: str) -> str:
    """Return a reliability diagram as SVG."""
    span = _SIZE - 2 * _EDGE

    def across(value: float) -> str:
        return f"{_EDGE + value * span:.1f}"

    def down(value: float) -> str:
        return f"{_SIZE - _EDGE - value * span:.1f}"

    parts = [f'<line class="ideal" x1="{across(0)}" y1="{down(0)}" x2="{across(1)}" y2="{down(1)}"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line class="grid" x1="{across(0)}" x2="{across(1)}" y1="{down(tick)}" y2="{down(tick)}"/>')
        parts.append(f'<text x="{_EDGE - 6}" y="{down(tick)}" text-anchor="end">{tick:g}</text>')
        parts.append(f'<text x="{across(tick)}" y="{_SIZE - _EDGE + 16}" text-anchor="middle">{tick:g}</text>')
    points = " ".join(f"{across(one.predicted)},{down(one.observed.value)}" for one in bins)
    parts.append(f'<polyline class="{kind}" style="fill:none" points="{points}"/>')
    for one in bins:
        x, low, high = across(one.predicted), down(one.observed.low), down(one.observed.high)
        told = f"{one.pairs} pairs: predicted {one.predicted:.3f}, relevant {one.observed.value:.3f}"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>')
        mark = f'<circle class="{kind}" cx="{x}" cy="{down(one.observed.value)}" r="3.5"/>'
        parts.append(f"<g><title>{escape(told)}</title>{mark}</g>")
    parts.append(f'<text x="{_SIZE / 2}" y="{_SIZE - 8}" text-anchor="middle">predicted probability</text>')
    parts.append(f'<text x="{_EDGE}" y="{_EDGE - 14}">share relevant</text>')
    label = escape(f"Reliability diagram: {title}")
    drawing = (
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" width="{_SIZE}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}</figure>"


def _shown(one: Estimate) -> str:
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"

"""What a calibration is worth: the record, and its text for a terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from resift.calibration.measures import Bin, Estimate, Quality

_WIDTH, _HEIGHT = 41, 17


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group on held-out queries.

    Attributes:
        counts: queries, pairs, relevant pairs.
        own: it has a curve of its own.
        before, shared, after: with the sigmoid, the shared curve, and what it has now.
        gain: what its own curve takes from the shared one's log loss; None where it was too small for one.
    """

    name: str
    counts: tuple[int, int, int]
    own: bool
    before: Quality
    shared: Quality
    after: Quality
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class CutoffRow:
    """A cut-off, and what such cut-offs do to held-out queries.

    Attributes:
        queries: those with a relevant passage.
        needed: how many of these it takes for this share.
        raw, probability: the cut-off on both scales; None: too few queries, nothing can be dropped.
        kept: share of relevant passages of held-out queries that are kept.
        dropped: share of their irrelevant ones that are not.
    """

    group: str
    keep: float
    queries: int
    needed: int
    raw: float | None
    probability: float | None
    kept: Estimate | None
    dropped: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one fit; everything but the counts is of held-out queries.

    Attributes:
        before, after: of the sigmoid of the raw score, and of the calibration.
        gain: by how much the log loss fell.
        curves: log loss of each kind of curve that was tried, as a shared one.
    """

    method: str
    name: str
    model: str
    precision: str
    counts: tuple[int, int, int]
    warnings: tuple[str, ...]
    before: Quality
    after: Quality
    gain: Estimate
    curves: Mapping[str, Estimate]
    groups: tuple[GroupRow, ...]
    cutoffs: tuple[CutoffRow, ...]


def verdict(report: Report) -> str:
    """Return one sentence on whether it helped."""
    low, high = report.gain.low, report.gain.high
    size = f"log loss {report.before.log_loss.value:.4f} -> {report.after.log_loss.value:.4f}"
    if low > 0:
        return f"On held-out queries calibrated scores are closer to the truth than sigmoids: {size}."
    if high < 0:
        return f"On held-out queries calibrated scores are further from the truth than sigmoids: {size}."
    return f"On held-out queries there is no telling calibrated scores from sigmoids: {size}."


def as_text(report: Report) -> str:
    """Return the report as lines for a terminal."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    queries, pairs, relevant = report.counts
    yield f"{report.model}, {report.precision}: {pairs} pairs of {queries} queries, {relevant} relevant"
    yield verdict(report)
    yield ""
    yield f"{'held-out':<10}{'before (sigmoid)':>28}{'after (' + report.method + ')':>28}"
    for name, of in (("Brier", "brier"), ("log loss", "log_loss"), ("ECE", "ece")):
        yield f"{name:<10}{_shown(getattr(report.before, of)):>28}{_shown(getattr(report.after, of)):>28}"
    if len(report.curves) > 1:
        yield "log loss of shared curves: " + ", ".join(f"{one} {_shown(e)}" for one, e in report.curves.items())
    yield ""
    yield from _diagram(report.after.bins)
    if report.groups:
        yield ""
        counted = f"{'group':<10}{'queries':>8}{'pairs':>8}{'relevant':>9}"
        yield f"{counted}  {'curve':<7}{'ECE before':>11}{'shared':>8}{'after':>8}"
        for row in report.groups:
            errors = "".join(f"{q.ece.value:>{w}.4f}" for q, w in ((row.before, 11), (row.shared, 8), (row.after, 8)))
            n, m, r = row.counts
            yield f"{row.name:<10}{n:>8}{m:>8}{r:>9}  {'own' if row.own else 'shared':<7}{errors}"
    yield ""
    yield f"{'group':<10}{'keep':>5}{'raw':>10}{'probability':>12}{'kept, held-out':>26}{'irrelevant dropped':>20}"
    for cut in report.cutoffs:
        yield f"{cut.group:<10}{cut.keep:>5.0%}{_cut(cut)}"
    for warning in report.warnings:
        yield f"warning: {warning}"


def _cut(row: CutoffRow) -> str:
    if row.raw is None or row.probability is None or row.kept is None or row.dropped is None:
        return f"   nothing can be dropped: {row.queries} queries with a relevant passage, {row.needed} needed"
    return f"{row.raw:>10.4f}{row.probability:>12.4f}{_percent(row.kept):>26}{row.dropped:>20.1%}"


def _diagram(bins: tuple[Bin, ...]) -> Iterator[str]:
    """Draw the reliability diagram: `o` a bin, `|` its interval, `.` where both are equal."""
    field = [[" "] * _WIDTH for _ in range(_HEIGHT)]

    def across(value: float) -> int:
        return round(value * (_WIDTH - 1))

    def down(value: float) -> int:
        return round((1 - value) * (_HEIGHT - 1))

    for column in range(_WIDTH):
        field[down(column / (_WIDTH - 1))][column] = "."
    for one in bins:
        column = across(one.predicted)
        for row in range(down(one.observed.high), down(one.observed.low) + 1):
            field[row][column] = "|"
    for one in bins:
        field[down(one.observed.value)][across(one.predicted)] = "o"
    yield "share relevant (held-out), by calibrated probability"
    for place, line in enumerate(field):
        edge = {0: "1.0", _HEIGHT // 2: "0.5", _HEIGHT - 1: "0.0"}.get(place, "")
        yield f"{edge:>4} {''.join(line)}".rstrip()
    yield f"     {'0.0':<{_WIDTH // 2 - 1}}{'0.5':<{_WIDTH // 2 - 1}}1.0"


def _shown(one: Estimate) -> str:
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"


def _percent(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"

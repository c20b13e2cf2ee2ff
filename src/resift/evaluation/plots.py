"""Plots as SVG inside the page: drawn by hand, so that they follow the page's colours, light or dark, and need nothing.

A drawing is 440 units wide, which on a phone is about its own width: its texts stay readable there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 440, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 42
_BAR, _GAP = 16, 12


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one model.

    Attributes:
        name: for the legend.
        points: (x, y) in the order in which they are joined.
        bounds: (low, high) of each y, empty for none.
        labels: a short text at each point, empty for none.
        number: chooses its colour and mark; 0 is the first stage's, -1 the ceiling's.
    """

    name: str
    points: Sequence[tuple[float, float]]
    number: int
    bounds: Sequence[tuple[float, float]] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, beside its name."""

    group: str
    value: float
    low: float
    high: float
    number: int


def lines(series: Sequence[Series], *, x: str, y: str, log_x: bool = False) -> str:
    """Return a plot of lines with a mark at each point."""
    xs = [point[0] for one in series for point in one.points]
    ys = [value for one in series for value in (*(p[1] for p in one.points), *(v for b in one.bounds for v in b))]
    across = _scale(xs, _LEFT, WIDTH - _RIGHT, log=log_x)
    low, high = _padded(ys)
    ticks = nice_ticks(low, high)

    def down(value: float) -> float:
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _BOTTOM - _TOP)

    parts = []
    for tick in ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{down(tick):.1f}" y2="{down(tick):.1f}"/>'
        )
        parts.append(
            f'<text x="{_LEFT - 6}" y="{down(tick) + 4:.1f}" text-anchor="end">{tick:.{_digits(ticks)}f}</text>'
        )
    for tick in _x_ticks(xs, log=log_x):
        place = across(tick)
        parts.append(f'<text x="{place:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{(_LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>')
    for one in series:
        parts += _series(one, across, down)
    return _svg(HEIGHT, parts, f"{y} by {x}")


def _series(one: Series, across: Callable[[float], float], down: Callable[[float], float]) -> list[str]:
    kind = f"s{one.number}" if one.number >= 0 else "best"
    places = [(across(x), down(y)) for x, y in one.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts = [f'<polyline class="line {kind}" points="{path}"/>'] if len(places) > 1 else []
    for i, (a, b) in enumerate(places):
        if one.bounds:
            low, high = (down(bound) for bound in one.bounds[i])
            parts.append(f'<line class="bound {kind}" x1="{a:.1f}" x2="{a:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        value = f"{one.name}: {one.points[i][1]:.4f}"
        parts.append(f"<g><title>{escape(value)}</title>{_mark(a, b, one.number, kind)}</g>")
        if one.labels:
            end = a > WIDTH - 80
            side = 'text-anchor="end"' if end else ""
            parts.append(
                f'<text x="{a + (-7 if end else 7):.1f}" y="{b - 7:.1f}" {side}>{escape(one.labels[i])}</text>'
            )
    return parts


def _mark(x: float, y: float, number: int, kind: str) -> str:
    """Return a mark whose form differs too: colours alone do not tell everyone apart."""
    shape = number % 3
    if number < 0 or shape == 0:
        return f'<circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    if shape == 1:
        return f'<rect class="mark {kind}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="mark {kind}" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'


def bars(items: Sequence[Bar], *, y: str) -> str:
    """Return horizontal bars with intervals, those of a group together, its name above them."""
    high = max(1e-9, *(max(bar.high, bar.value) for bar in items))
    top = nice_ticks(0, high)[-1] if high < 1 else 1.0
    scale = (WIDTH - 2 * _RIGHT - 44) / max(top, high)
    parts, line = [], 0.0
    for group in dict.fromkeys(bar.group for bar in items):
        line += _GAP + 10
        parts.append(f'<text class="name" x="{_RIGHT}" y="{line - 4:.1f}">{escape(group)}</text>')
        for bar in (bar for bar in items if bar.group == group):
            middle, end = line + _BAR / 2, _RIGHT + bar.high * scale
            parts += [
                f'<rect class="bar s{bar.number}" x="{_RIGHT}" y="{line:.1f}" width="{bar.value * scale:.1f}" '
                f'height="{_BAR - 3}"/>',
                f'<line class="whisker" x1="{_RIGHT + bar.low * scale:.1f}" x2="{end:.1f}" y1="{middle - 1.5:.1f}" '
                f'y2="{middle - 1.5:.1f}"/>',
                f'<text x="{end + 5:.1f}" y="{middle + 3:.1f}">{bar.value:.3f}</text>',
            ]
            line += _BAR
    return _svg(int(line) + _GAP, parts, f"{y} by group")


def _svg(height: int, parts: Sequence[str], label: str) -> str:
    body = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">\n{body}\n</svg>'


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from low to high: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _digits(ticks: Sequence[float]) -> int:
    step = min((b - a for a, b in pairwise(ticks)), default=0.1)
    return max(0, min(4, -math.floor(math.log10(step) + 1e-9)))


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or 0.05
    return max(0.0, low - room) if low >= 0 else low - room, high + room


def _scale(values: Sequence[float], begin: float, end: float, *, log: bool) -> Callable[[float], float]:
    def seen(value: float) -> float:
        return math.log10(max(value, 1e-6)) if log else value

    low, high = seen(min(values)), seen(max(values))
    room = (high - low) * 0.06 or 0.5
    low, high = low - room, high + room
    return lambda value: begin + (seen(value) - low) / (high - low) * (end - begin)


def _x_ticks(values: Sequence[float], *, log: bool) -> list[float]:
    if not log:
        return sorted(set(values))
    low, high = max(min(values), 1e-6), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    found = [tick for tick in inside if low * 0.9 <= tick <= high * 1.1]
    return found or [float(f"{low:.2g}")]

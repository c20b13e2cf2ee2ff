"""Pictures of a report as inline SVG; colours are the page's classes, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 640.0
_ROW = 46.0


@dataclass(frozen=True, slots=True)
class Effect:
    """A line of a forest plot: lifts as parts of one.

    Attributes:
        wide, narrow: intervals for any number of looks and for one.
        kind: "good", "bad" or "" for not shown.
        margin: accepted loss, drawn as a mark, with its sign.
    """

    label: str
    value: float
    narrow: Sequence[float]
    wide: Sequence[float] | None
    kind: str
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A day of the sequential plot."""

    label: str
    value: float
    narrow: Sequence[float]
    wide: Sequence[float] | None


def forest(effects: Sequence[Effect]) -> str:
    """Return lifts with their intervals, one below the other, around a line at zero."""
    bounds = [0.0]
    for one in effects:
        bounds += [*one.narrow, *(one.wide or ()), *(() if one.margin is None else (one.margin,))]
    ticks = nice_ticks(*_clipped(bounds, [one.value for one in effects]))
    low, high = ticks[0], ticks[-1]
    height = _ROW * len(effects) + 30

    def x(value: float) -> float:
        return 10 + (_WIDTH - 20) * (min(max(value, low), high) - low) / (high - low)

    parts = [f"<line class='grid' x1='{x(t):.1f}' x2='{x(t):.1f}' y1='4' y2='{height - 22:.0f}'/>" for t in ticks]
    parts.append(f"<line class='zero' x1='{x(0):.1f}' x2='{x(0):.1f}' y1='4' y2='{height - 22:.0f}'/>")
    for i, one in enumerate(effects):
        y = _ROW * i + 34
        parts.append(f"<text class='name halo' x='10' y='{y - 14:.0f}'>{escape(one.label)}</text>")
        shown = f"<text class='value halo' x='{_WIDTH - 10:.0f}' y='{y - 14:.0f}'>{100 * one.value:+.1f}%</text>"
        parts.append(shown)
        if one.wide is not None:
            parts.append(_bar(x(one.wide[0]), x(one.wide[1]), y, f"wide {one.kind}"))
        parts.append(_bar(x(one.narrow[0]), x(one.narrow[1]), y, f"narrow {one.kind}"))
        if one.margin is not None:
            at = x(one.margin)
            parts.append(f"<path class='margin' d='M{at:.1f} {y - 8}V{y + 8}'/>")
        parts.append(f"<circle class='dot {one.kind}' cx='{x(one.value):.1f}' cy='{y}' r='5'/>")
    parts += _tick_labels([(x(t), f"{100 * t:+.3g}%" if t else "0") for t in ticks], height - 6)
    return _svg(height, parts, "lifts with intervals")


def sequence(looks: Sequence[Look]) -> str:
    """Return the lift and both intervals at the end of each day."""
    height, left, bottom = 300.0, 56.0, 30.0
    bounds = [0.0]
    for look in looks:
        bounds += [*look.narrow, *(look.wide or ())]
    ticks = nice_ticks(*_clipped(bounds, [look.value for look in looks], looseness=6))
    low, high = ticks[0], ticks[-1]

    def x(i: int) -> float:
        return left + (_WIDTH - left - 24) * (i + 0.5) / len(looks)

    def y(value: float) -> float:
        return 8 + (height - bottom - 8) * (high - min(max(value, low), high)) / (high - low)

    parts = []
    for tick in ticks:
        kind = "zero" if tick == 0 else "grid"
        parts.append(f"<line class='{kind}' x1='{left}' x2='{_WIDTH - 8:.0f}' y1='{y(tick):.1f}' y2='{y(tick):.1f}'/>")
        label = f"{100 * tick:+.3g}%" if tick else "0"
        parts.append(f"<text class='end' x='{left - 8}' y='{y(tick) + 4:.1f}'>{label}</text>")
    for kind in ("wide", "narrow"):
        shown = [(i, look.wide if kind == "wide" else look.narrow) for i, look in enumerate(looks)]
        points = [(i, one) for i, one in shown if one is not None]
        if len(points) > 1:
            upper = [f"{x(i):.1f} {y(one[1]):.1f}" for i, one in points]
            lower = [f"{x(i):.1f} {y(one[0]):.1f}" for i, one in reversed(points)]
            parts.append(f"<path class='area {kind}' d='M{'L'.join(upper + lower)}Z'/>")
    line = "L".join(f"{x(i):.1f} {y(look.value):.1f}" for i, look in enumerate(looks))
    parts.append(f"<path class='line' d='M{line}'/>")
    parts += [f"<circle class='dot' cx='{x(i):.1f}' cy='{y(look.value):.1f}' r='3'/>" for i, look in enumerate(looks)]
    step = math.ceil(len(looks) / 6)
    parts += _tick_labels([(x(i), look.label) for i, look in enumerate(looks) if i % step == 0], height - 8)
    return _svg(height, parts, "lift by day")


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round values that hold an interval, zero among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9:
        low, high = -0.01, 0.01
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step - 1e-9), math.ceil(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _clipped(bounds: Sequence[float], values: Sequence[float], looseness: float = 12) -> tuple[float, float]:
    """Return the range to draw: very wide intervals of first days would press all others flat."""
    spread = max([abs(value) for value in values] + [0.01]) * looseness
    return max(min(bounds), -spread), min(max(bounds), spread)


def _bar(start: float, end: float, y: float, kind: str) -> str:
    return f"<line class='bar {kind}' x1='{start:.1f}' x2='{end:.1f}' y1='{y}' y2='{y}'/>"


def _tick_labels(labels: Sequence[tuple[float, str]], y: float) -> list[str]:
    found = []
    for x, text in labels:
        anchor = "start" if x < 30 else "finish" if x > _WIDTH - 40 else "mid"
        found.append(f"<text class='{anchor}' x='{x:.1f}' y='{y:.0f}'>{escape(text)}</text>")
    return found


def _svg(height: float, parts: Sequence[str], label: str) -> str:
    head = f"<svg viewBox='0 0 {_WIDTH:.0f} {height:.0f}' role='img' aria-label='{escape(label, quote=True)}'>"
    return head + "".join(parts) + "</svg>"

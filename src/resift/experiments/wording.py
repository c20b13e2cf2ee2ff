"""Numbers of a report as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def percent(value: float, digits: int = 1) -> str:
    """Return +27.0%."""
    return f"{100 * value:+.{digits}f}%"


def value_text(value: float, metric: Mapping[str, Any]) -> str:
    """Return a metric's value: a percentage where it is one, else four digits."""
    return f"{100 * value:.2f}%" if metric["percent"] else f"{value:.4g}"


def p_text(p: float) -> str:
    """Return a p-value with two digits."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def count(number: float) -> str:
    """Return 12,345."""
    return f"{number:,.0f}"


def interval_text(interval: Sequence[float] | None) -> str:
    """Return a lift's interval."""
    return "no interval yet" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def lift_text(one: Mapping[str, Any], looks: str) -> str:
    """Return a lift with its interval."""
    lift = "no lift (control is 0)" if one["lift"] is None else percent(one["lift"])
    return f"{lift} ({interval_text(one[looks]['lift_interval'])})"


def plural(number: int, noun: str) -> str:
    """Return "1 user" or "2 users"."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"

"""What can be measured on a user: a sum, or a ratio of two sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resift.errors import InputError

OWN_COLUMN = ("high", "low")
"""Prefixes of metrics that average a numeric column of the exposures: `low:latency_ms` is better when low."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        numerator: what is summed over a user's events: a stream of `Logs`.
        denominator: by what the sum over all users is divided; None: by the number of users.
        binary: whether one event of a user counts as much as many.
        percent: whether values are read as percentages.
    """

    name: str
    text: str
    numerator: str
    denominator: str | None = None
    higher_is_better: bool = True
    binary: bool = False
    percent: bool = False


_ALL = (
    Metric("ctr", "clicks for each exposure", "clicks", "exposures", percent=True),
    Metric("clicking_users", "users with a click", "clicks", binary=True, percent=True),
    Metric("conversion", "users with an order", "orders", binary=True, percent=True),
    Metric("orders_per_user", "orders for each user", "orders"),
    Metric("revenue_per_user", "revenue for each user", "revenue"),
    Metric("order_value", "revenue for each order", "revenue", "orders"),
    Metric("reciprocal_position", "1 / position of the clicks, on average", "reciprocal", "positioned"),
    Metric("zero_results", "exposures without a result", "zero", "counted", higher_is_better=False, percent=True),
    Metric("exposures_per_user", "exposures for each user", "exposures"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
DEFAULT = ("ctr", "conversion", "revenue_per_user", "reciprocal_position")


def find_metric(name: str) -> Metric:
    """Return the metric of a name; raises InputError for one that there is not."""
    if name in METRICS:
        return METRICS[name]
    kind, _, column = name.partition(":")
    if kind in OWN_COLUMN and column:
        return Metric(name, f"{column}, average over exposures", f"sum {column}", f"n {column}",
                      higher_is_better=kind == "high")  # fmt: skip
    known = ", ".join([*METRICS, "high:COLUMN", "low:COLUMN"])
    raise InputError(f"there is no metric {name!r}; there are {known}")


def own_columns(names: list[str]) -> list[str]:
    """Return the columns that metrics of the exposures' own columns need."""
    parts = [name.partition(":") for name in names]
    return [column for kind, _, column in parts if kind in OWN_COLUMN and column]

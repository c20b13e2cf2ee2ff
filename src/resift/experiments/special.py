"""The one place that imports scipy: distributions as plain functions."""

from __future__ import annotations

from types import ModuleType

from resift.errors import MissingExtra


def functions() -> ModuleType:
    """Return `scipy.special`; raises MissingExtra when scipy is not installed."""
    try:
        from scipy import special
    except ImportError as error:
        raise MissingExtra("the statistics of experiments", extra="ab") from error
    module: ModuleType = special
    return module


def normal_quantile(probability: float) -> float:
    """Return the standard normal's quantile."""
    return float(functions().ndtri(probability))


def normal_cdf(value: float) -> float:
    """Return the standard normal's distribution function."""
    return float(functions().ndtr(value))

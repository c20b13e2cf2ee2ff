"""Calibrations with chosen curves, for tests of what is done with them: nothing here was fitted."""

from pathlib import Path

from resift.calibration import Calibration
from resift.calibration.conformal import LEVELS
from resift.calibration.maps import Curve, Isotonic, Platt
from resift.calibration.records import Part
from resift.reranker import Reranker

STEPS = Isotonic((-2.0, -1.0, 0.0, 1.0), (0.25, 0.25, 0.75, 0.75))
"""Makes most scores equal to another: what orders by it is found out."""


def part(curve: Curve | None) -> Part:
    return Part(30, 90, 30, curve, tuple(-level for level in LEVELS))


def make_calibration(reranker: Reranker, shared: Curve = STEPS) -> Calibration:
    """Return a calibration of a reranker's scores with the groups `de`, which has its own curve, and `zh`."""
    groups = {"de": part(Platt(0.5, -0.25)), "zh": part(None)}
    return Calibration("isotonic", reranker.conditions, part(shared), groups)


def save_calibration(reranker: Reranker, path: Path) -> Calibration:
    made = make_calibration(reranker)
    made.save(path)
    return made

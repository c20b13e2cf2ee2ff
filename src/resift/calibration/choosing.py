"""From what a reranker was given to the scale of its scores."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from resift.calibration.maps import Curve
from resift.calibration.records import FILE, Calibration
from resift.errors import InputError
from resift.scoring import sigmoid
from resift.types import Scale

AUTO = "auto"


def choose(calibration: Calibration | str | Path | None, folder: Path) -> Calibration | None:
    """Return the calibration that is meant; None for none, and for `auto` when there is none beside the model."""
    if calibration is None or isinstance(calibration, Calibration):
        return calibration
    if calibration == AUTO:
        beside = folder / FILE
        return Calibration.load(beside) if beside.is_file() else None
    return Calibration.load(calibration)


def scaled(scores: Scale, curve: Curve | None = None) -> Callable[[float], float]:
    """Return the function from a raw score to one of a type, rounded to float32 as scores are."""
    if scores == "raw":
        return float
    if curve is None:
        return lambda logit: float(np.float32(sigmoid(logit)))
    return lambda logit: float(np.float32(curve(logit)))


def ask_threshold(
    calibration: Calibration, scores: Scale, group: str | None, keep: float | None, probability: float | None
) -> float:
    """Return the cut-off for a share to keep or for a probability, on the scale of a score type."""
    if (keep is None) == (probability is None):
        raise InputError("a threshold is asked for by one of `keep` and `probability`", hint="threshold(keep=0.9)")
    if keep is not None:
        raw = calibration.cutoff(keep, group=group)
    elif probability is not None and 0 <= probability <= 1:
        if scores == "calibrated":
            return probability
        raw = calibration.curve(group).inverse(probability)
    else:
        raise InputError(f"probability is {probability}, expected 0 to 1")
    curve = calibration.curve(group) if scores == "calibrated" else None
    return scaled(scores, curve)(raw)

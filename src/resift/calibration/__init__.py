"""Scores as probabilities, and cut-offs with a guarantee: fitted on labelled pairs, saved beside the model."""

from resift.calibration.calibrate import Calibrated, calibrate
from resift.calibration.records import Calibration

__all__ = ["Calibrated", "Calibration", "calibrate"]

"""Training that goes wrong is stopped and named: NaN, divergence, collapse. Plain numbers, no torch."""

import math
from dataclasses import dataclass, field

import numpy as np

from resift.errors import TrainingFailed
from resift.types import Float32

SPREAD = 1e-4
"""Scores of one list that are closer than this are equal."""
PATIENCE = 25
"""Steps in a row without a spread after which a model has collapsed, and steps that make up the loss to begin with."""
DECAY = 0.95
_WORSE = 2.0
_MARGIN = 1.0


@dataclass(slots=True)
class Watch:
    """Looks at every step's loss and scores.

    Attributes:
        rate: the learning rate, for messages.
    """

    rate: float
    _first: list[float] = field(default_factory=list)
    _mean: float = 0.0
    _flat: int = 0

    def see(self, step: int, loss: float, spread: float) -> None:
        """Take a step's loss and the largest difference of two scores within one of its lists.

        Raises TrainingFailed: the loss is not finite; its running mean is beyond 2 * start + 1, where start is the mean
        of the first 25 steps; or no list had two different scores for 25 steps.
        """
        if not math.isfinite(loss) or not math.isfinite(spread):
            raise TrainingFailed(
                f"step {step}: the loss is {loss}: training has diverged (learning rate {self.rate:g})",
                hint=_lower(self.rate),
            )
        self._flat = self._flat + 1 if spread < SPREAD else 0
        if self._flat >= PATIENCE:
            raise TrainingFailed(
                f"step {step}: the scores of every list have been equal for {PATIENCE} steps: the model has collapsed",
                hint=_lower(self.rate),
            )
        if len(self._first) < PATIENCE:
            self._first.append(loss)
            self._mean = float(np.mean(self._first))
            return
        self._mean = DECAY * self._mean + (1 - DECAY) * loss
        start = float(np.mean(self._first))
        if self._mean > _WORSE * start + _MARGIN:
            raise TrainingFailed(
                f"step {step}: the loss is {self._mean:.3g} on average, it began with {start:.3g}: training diverges "
                f"(learning rate {self.rate:g})",
                hint=_lower(self.rate),
            )


def check_scores(lists: list[Float32], *, what: str) -> None:
    """Raise TrainingFailed when the scores of held-out lists say nothing: not finite, or equal in every list."""
    if not all(np.isfinite(scores).all() for scores in lists):
        raise TrainingFailed(f"{what}: some scores are not finite numbers: the weights are damaged")
    several = [scores for scores in lists if len(scores) > 1]
    if several and all(np.ptp(scores) < SPREAD for scores in several):
        raise TrainingFailed(
            f"{what}: all scores of every list are equal ({several[0][0]:.4f} in the first): the model has collapsed",
            hint="train with a lower learning rate from the original model",
        )


def _lower(rate: float) -> str:
    return f"try a lower learning rate, such as {rate / 5:g}, and more warm-up; look at the data's first lines too"

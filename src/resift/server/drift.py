"""How far the scores of late are from those of a reference: two statistics, and the windows that they compare.

PSI, the population stability index, over the reference's deciles: below 0.1 is taken for stable, above 0.25 for a
change worth a look. KS, after Kolmogorov and Smirnov: the largest difference of the two distribution functions.
"""

import json
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from resift.errors import InputError
from resift.types import Float32

BINS = 10
FLOOR = 1e-4
"""The least share of a bin: an empty one is not infinitely unlikely, it was only not seen."""


def population_stability(reference: Float32, recent: Float32) -> float:
    """Return the PSI of two samples over the reference's deciles; 0 for equal shares. Neither may be empty."""
    inner = np.unique(np.quantile(reference.astype(np.float64), np.linspace(0, 1, BINS + 1)[1:-1]))
    expected = _shares(reference, inner)
    found = _shares(recent, inner)
    return float(np.sum((found - expected) * np.log(found / expected)))


def _shares(sample: Float32, inner: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(inner, sample, side="left"), minlength=len(inner) + 1)
    return np.maximum(counts / len(sample), FLOOR)


def kolmogorov_smirnov(reference: Float32, recent: Float32) -> float:
    """Return the largest difference of two samples' distribution functions, 0 to 1. Neither may be empty."""
    first, second = np.sort(reference), np.sort(recent)
    every = np.concatenate([first, second])
    below = np.searchsorted(first, every, side="right") / len(first)
    return float(np.max(np.abs(below - np.searchsorted(second, every, side="right") / len(second))))


class DriftWatch:
    """The last scores of each model beside a reference: those of a file, or the first after the start.

    Safe from several threads. Where `file` is given and does not exist, it is written whenever a model's reference is
    complete.

    Args:
        size: scores in the reference, and in the window beside it.
        file: JSON, an object of lists of raw scores by the model's name.
    """

    def __init__(self, size: int, file: Path | None = None) -> None:
        self._size = size
        known = file is not None and file.exists()
        self._file = None if known else file
        self._lock = threading.Lock()
        self._recent: dict[str, deque[float]] = {}
        self._references = read_reference(file) if file is not None and known else {}

    def add(self, model: str, scores: Float32) -> None:
        """Take note of raw scores, float32 [any number]."""
        finite = scores[np.isfinite(scores)]
        if len(finite) == 0:
            return
        with self._lock:
            window = self._recent.setdefault(model, deque(maxlen=self._size))
            rest = finite.tolist()
            if model not in self._references:
                taken = self._size - len(window)
                window.extend(rest[:taken])
                rest = rest[taken:]
                if len(window) == self._size:
                    self._references[model] = np.asarray(window, np.float32)
                    window.clear()
                    self._write()
            window.extend(rest)

    def measure(self) -> Mapping[str, tuple[float, float]]:
        """Return (PSI, KS) by model, of those that have a reference and a full window."""
        with self._lock:
            pairs = {
                model: (self._references[model], np.asarray(window, np.float32))
                for model, window in self._recent.items()
                if model in self._references and len(window) == self._size
            }
        return {model: (population_stability(*pair), kolmogorov_smirnov(*pair)) for model, pair in pairs.items()}

    def _write(self) -> None:
        if self._file is None:
            return
        data = {model: [round(float(score), 5) for score in scores] for model, scores in self._references.items()}
        try:
            self._file.write_text(json.dumps(data), encoding="utf-8")
        except OSError:
            self._file = None  # a full disk or a read-only folder: the reference stays in memory


def read_reference(file: Path) -> dict[str, Float32]:
    """Return the scores by model; raises InputError when the file is not what `DriftWatch` writes."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        references = {str(model): np.asarray(scores, np.float32).reshape(-1) for model, scores in data.items()}
        broken = [model for model, scores in references.items() if not len(scores) or not np.isfinite(scores).all()]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not a reference of scores: {error}", hint='{"model": [1.5, -3.2, ...]}') from error
    if broken:
        raise InputError(f"{file} has no usable scores for {broken[0]!r}")
    return references

"""A calibration: curves and cut-offs, shared and of groups, and what they were fitted on."""

import bisect
import functools
import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resift.calibration.conditions import Conditions
from resift.calibration.conformal import LEVELS, queries_needed
from resift.calibration.maps import Curve
from resift.errors import InputError, ResiftWarning
from resift.types import Float32

SHARED = "shared"
"""The group of whatever has no curve of its own."""
FILE = "calibration.json"


@dataclass(frozen=True, slots=True)
class Part:
    """What was fitted on all pairs, or on those of one group.

    Attributes:
        queries, pairs, relevant: how many there were.
        curve: None where the shared one is as good, or there were too few pairs for an own one.
        cutoffs: raw scores that keep each of `LEVELS` of the relevant passages; -inf keeps all.
    """

    queries: int
    pairs: int
    relevant: int
    curve: Curve | None
    cutoffs: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """Turns raw scores of one model into probabilities of relevance, and shares to keep into cut-offs.

    >>> from resift.calibration import Calibration
    >>> calibration = Calibration.load("calibration.json")  # doctest: +SKIP
    >>> calibration.apply([1.5, -2.0], group="de")  # doctest: +SKIP

    Attributes:
        method: `platt` or `isotonic`.
        conditions: the model and policy whose raw scores it is for.
        shared: fitted on all pairs; always has a curve.
        groups: by name, those that the pairs named.
    """

    method: str
    conditions: Conditions
    shared: Part
    groups: Mapping[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shared.curve is None:
            raise InputError("a calibration needs a shared curve")

    @functools.cached_property
    def name(self) -> str:
        """Its method and a hash of all that it does: equal names, equal probabilities."""
        from resift.calibration.file import as_json

        return f"{self.method}:{hashlib.sha256(json.dumps(as_json(self), sort_keys=True).encode()).hexdigest()[:12]}"

    def named(self, group: str | None) -> str:
        """Return the name together with the group that was asked for."""
        return self.name if group is None or group == SHARED else f"{self.name}/{group}"

    def apply(
        self, scores: npt.ArrayLike, *, group: str | None = None, groups: Sequence[str | None] | None = None
    ) -> Float32:
        """Return the probability of relevance of raw scores, float32 of their shape.

        `group` names one group for all, `groups` one (or None) for each score. It never falls where a score rises
        within one group; scores of different groups may change places.
        """
        values = np.asarray(scores, np.float64)
        if groups is None:
            return self.curve(group)(values).astype(np.float32)
        if group is not None or values.ndim != 1 or len(groups) != len(values):
            raise InputError(f"{len(groups)} groups for {values.size} scores: expected one each, or `group` alone")
        names = np.array([SHARED if one is None else one for one in groups], object)
        found = np.empty(len(values), np.float32)
        for one in dict.fromkeys(names.tolist()):
            found[names == one] = self.curve(one)(values[names == one]).astype(np.float32)
        return found

    def curve(self, group: str | None = None) -> Curve:
        """Return the curve of a group: its own, or the shared one where it has none."""
        curve = self._part(group).curve or self.shared.curve
        assert curve is not None  # __post_init__
        return curve

    def cutoff(self, keep: float, *, group: str | None = None) -> float:
        """Return the raw score at or above which at least the share `keep` of relevant passages lies.

        The guarantee and what it assumes: see `resift.calibration.conformal`. Shares that are no whole percent are
        rounded up. A group with too few queries for its own cut-off gets the shared one, whose guarantee is over all
        groups together, and a warning. -inf, which keeps everything, where all queries are too few.
        """
        if not 0 < keep <= LEVELS[-1]:
            raise InputError(f"keep is {keep}, expected a share above 0 and at most {LEVELS[-1]}, such as 0.9")
        place = bisect.bisect_left(LEVELS, keep)
        part = self._part(group)
        if part is not self.shared and part.cutoffs[place] == -math.inf:
            warnings.warn(
                f"group {group!r} has too few queries to keep {keep:.1%} by a cut-off of its own "
                f"({queries_needed(LEVELS[place])} with a relevant passage are needed): the shared one is used",
                ResiftWarning,
                stacklevel=2,
            )
            part = self.shared
        return part.cutoffs[place]

    def check(self, found: Conditions) -> None:
        """Raise InputError for scores of another model; warn when they come about in another way."""
        own = self.conditions
        if found.fingerprint != own.fingerprint:
            raise InputError(
                f"the calibration was fitted for the model {_named(own)}, and this is {_named(found)}",
                hint="fit one for this model: resift calibrate PAIRS --model MODEL",
            )
        if differences := own.differences(found):
            warnings.warn(
                f"the calibration was fitted for other scores: {'; '.join(differences)}. Its probabilities and "
                "cut-offs may not hold",
                ResiftWarning,
                stacklevel=3,
            )

    def save(self, path: str | Path) -> None:
        """Write it as JSON; a file that is there is replaced in one step."""
        from resift.calibration.file import write

        write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what `save` wrote; raises InputError for anything else."""
        from resift.calibration.file import read

        return read(Path(path))

    def _part(self, group: str | None) -> Part:
        if group is None or group == SHARED:
            return self.shared
        part = self.groups.get(group)
        if part is None:
            there = ", ".join(self.groups) or "none"
            warnings.warn(
                f"the calibration knows no group {group!r} (there are: {there}): the shared curve is used",
                ResiftWarning,
                stacklevel=3,
            )
            return self.shared
        return part


def _named(one: Conditions) -> str:
    revision = f" at {one.revision}" if one.revision else ""
    return f"{one.model}{revision} (files {one.fingerprint})"

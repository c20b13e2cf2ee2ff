"""Exposures, clicks and orders of an experiment: from files to arrays; nothing is left out without being counted.

| Log | Columns (those in brackets may be missing) |
|---|---|
| exposures | `user`, `arm`, [`time`], [`impression`: id of this answer], [`query`], [`results`: how many], numbers |
| clicks | `user`, [`time`], [`impression`], [`position`, from 1] |
| orders | `user`, [`time`], [`revenue`], [`order`: id] |
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resift.errors import InputError
from resift.experiments.reading import Row, read_rows

DAY = 86_400.0


@dataclass
class Stream:
    """Events that carry one amount each, in the order of the log.

    Attributes:
        users: place of the user in `Logs.users`.
        times: Unix seconds, NaN where the log has none.
        amounts: what a metric sums.
    """

    users: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    amounts: list[float] = field(default_factory=list)

    def add(self, user: int, time: float, amount: float) -> None:
        """Add one event."""
        self.users.append(user)
        self.times.append(time)
        self.amounts.append(amount)

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return users, times and amounts."""
        return np.array(self.users, dtype=np.int64), np.array(self.times), np.array(self.amounts)


@dataclass
class Logs:
    """All that the files say.

    Attributes:
        users: ids, in the order in which they were exposed.
        arms: each user's arms: more than one is a fault that `make_table` deals with.
        streams: by name; `metrics` says which metric sums which.
        counts: what was left out, by reason.
        counted: the users, as far as they are in `users`, of what was left out, by reason.
    """

    users: dict[str, int] = field(default_factory=dict)
    arms: list[list[str]] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    counted: dict[str, list[int]] = field(default_factory=dict)

    def leave_out(self, what: str, user: int) -> None:
        """Count something of a user that is left out."""
        self.counts[what] += 1
        self.counted.setdefault(what, []).append(user)

    def add(self, name: str, user: int, time: float, amount: float) -> None:
        """Add an event to a stream."""
        self.streams.setdefault(name, Stream()).add(user, time, amount)

    def expose(self, user: str, arm: str) -> int:
        """Note that a user saw an arm; return the user's place."""
        place = self.users.setdefault(user, len(self.users))
        if place == len(self.arms):
            self.arms.append([arm])
        elif arm not in self.arms[place]:
            self.arms[place].append(arm)
        return place


class _Reader:
    """Reads rows into `Logs`."""

    def __init__(self, columns: Mapping[str, str], arms: Sequence[str] | None, *, skip_bad: bool) -> None:
        self.logs = Logs()
        self.impressions: set[tuple[str, str]] = set()
        self._clicks: set[tuple[str, str, float, float]] = set()
        self._orders: set[tuple[str, str]] = set()
        self._timed: set[tuple[str, float, str | None]] = set()
        self._columns = columns
        self._known_arms = arms
        self._skip_bad = skip_bad

    def take(self, files: Sequence[Path], add: Callable[[Row], None]) -> None:
        for file in files:
            for row in read_rows(file, self._columns):
                try:
                    if not isinstance(row, Row):
                        raise row
                    add(row)
                except InputError as error:
                    self.bad(error)

    def bad(self, error: InputError) -> None:
        if not self._skip_bad:
            raise error
        self.logs.counts["bad lines"] += 1

    def exposure(self, row: Row, own: Sequence[str], *, arm: str | None = None) -> None:
        user, time, impression = row.text("user"), _or_nan(row.time()), row.optional_text("impression")
        arm = row.text("arm") if arm is None else arm
        results, numbers = row.number("results"), {name: row.number(name) for name in own}
        if self._known_arms is not None and arm not in self._known_arms:
            self.logs.counts["exposures of unknown arms"] += 1
            return
        place = self.logs.expose(user, arm)
        if impression is not None:
            if (user, impression) in self.impressions:
                self.logs.leave_out("duplicate exposures", place)
                return
            self.impressions.add((user, impression))
        elif _is_instant(time):
            key = (user, time, row.optional_text("query"))
            if key in self._timed:
                self.logs.leave_out("duplicate exposures", place)
                return
            self._timed.add(key)
        self.logs.add("exposures", place, time, 1.0)
        if results is not None:
            self.logs.add("counted", place, time, 1.0)
            self.logs.add("zero", place, time, float(results <= 0))
        for name, value in numbers.items():
            if value is not None:
                self.logs.add(f"sum {name}", place, time, value)
                self.logs.add(f"n {name}", place, time, 1.0)

    def click(self, row: Row, *, everybody: bool = False) -> None:
        user, time, impression = row.text("user"), _or_nan(row.time()), row.optional_text("impression")
        position = row.number("position")
        if position is not None and position < 1:
            raise row.error(f"'position' is {position:g}: positions begin at 1")
        place = self._place(user, "clicks", everybody=everybody)
        if place is None:
            return
        if impression is not None and self.impressions and (user, impression) not in self.impressions:
            self.logs.leave_out("clicks without their exposure", place)
            return
        # Only where it is certain: the same place of the same answer, or the same instant.
        key = (user, impression or "", -1.0 if impression and position else time, position or 0.0)
        if key in self._clicks:
            self.logs.leave_out("duplicate clicks", place)
            return
        if (impression and position) or _is_instant(time):
            self._clicks.add(key)
        self.logs.add("clicks", place, time, 1.0)
        if position is not None:
            self.logs.add("positioned", place, time, 1.0)
            self.logs.add("reciprocal", place, time, 1 / position)

    def order(self, row: Row, *, everybody: bool = False) -> None:
        user, time, order = row.text("user"), _or_nan(row.time()), row.optional_text("order")
        revenue = row.number("revenue")
        place = self._place(user, "orders", everybody=everybody)
        if place is None:
            return
        if order is not None and (user, order) in self._orders:
            self.logs.leave_out("duplicate orders", place)
            return
        if order is not None:
            self._orders.add((user, order))
        self.logs.add("orders", place, time, 1.0)
        if revenue is not None:
            self.logs.add("revenue", place, time, revenue)

    def _place(self, user: str, what: str, *, everybody: bool) -> int | None:
        if everybody:
            return self.logs.expose(user, "")
        place = self.logs.users.get(user)
        if place is None:
            self.logs.counts[f"{what} of users without an exposure"] += 1
        return place


def read_logs(
    exposures: Sequence[Path],
    *,
    clicks: Sequence[Path] = (),
    orders: Sequence[Path] = (),
    own: Sequence[str] = (),
    arms: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
) -> Logs:
    """Read the logs of an experiment.

    `own` names numeric columns of the exposures; `arms` the arms that there are (default: all in the log); `columns`
    your names of the columns. Raises InputError with file and line for lines that cannot be used, unless they are to
    be skipped, which is counted.
    """
    reader = _Reader(columns or {}, arms, skip_bad=skip_bad)
    for name, files in (("clicks", clicks), ("orders", orders)):
        if files:  # a log without a line says that nobody did
            reader.logs.streams[name] = Stream()
    reader.take(exposures, lambda row: reader.exposure(row, own))
    reader.take(clicks, reader.click)
    reader.take(orders, reader.order)
    return reader.logs


def read_before(
    exposures: Sequence[Path],
    *,
    clicks: Sequence[Path] = (),
    orders: Sequence[Path] = (),
    own: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
) -> Logs:
    """Read the same logs of the time before the experiment, for CUPED: without arms, and with all users."""
    reader = _Reader(columns or {}, None, skip_bad=skip_bad)
    reader.take(exposures, lambda row: reader.exposure(row, own, arm=""))
    reader.take(clicks, lambda row: reader.click(row, everybody=True))
    reader.take(orders, lambda row: reader.order(row, everybody=True))
    return reader.logs


def _or_nan(time: float | None) -> float:
    return math.nan if time is None else time


def _is_instant(time: float) -> bool:
    """Whether a time says when, and not only on which day: two events of one day are not one event twice."""
    return not math.isnan(time) and time % DAY != 0

"""Logs of an experiment as one row a user; who and what is left out on the way is counted by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from resift.errors import InputError
from resift.experiments.logs import DAY, Logs
from resift.experiments.metrics import Metric
from resift.experiments.statistics import Array

_LOOKS = 60
Streams: TypeAlias = dict[str, tuple[NDArray[np.int64], Array, Array]]


@dataclass(frozen=True, slots=True)
class Count:
    """Something that was left out or is odd.

    Attributes:
        arms: how many in each arm, where an arm can be named.
        note: what was done about it, and what it may mean.
    """

    what: str
    number: int
    note: str
    arms: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The users of an experiment.

    Attributes:
        arms: names, the control first, with the share of users that was meant.
        assigned: users of each arm before bots and unfinished windows are left out: what the split is checked on.
        ids: of the users, which is the order of the arrays.
        arm: each user's place in `arms`.
        first: time of the first exposure, NaN without times.
        streams: users, times and amounts by name.
        end: the last time in the logs, NaN without times.
    """

    arms: dict[str, float]
    assigned: list[int]
    ids: list[str]
    arm: NDArray[np.int64]
    first: Array
    streams: Streams
    end: float
    window: float | None
    quality: list[Count]

    def days(self) -> list[float]:
        """Return the ends of the days (UTC), the last one where the logs end; at most `_LOOKS`, evenly spread.

        None where an exposure, click or order has no time: what happened until a day is then not known.
        """
        if (
            not len(self.first)
            or np.isnan(self.end)
            or any(np.isnan(times).any() for _, times, _ in self.streams.values())
        ):
            return []
        start = float(np.floor(self.first.min() / DAY)) * DAY
        step = DAY * max(1, int(np.ceil((self.end - start) / DAY / _LOOKS)))
        return [*np.arange(start + step, self.end, step).tolist(), self.end]

    def present(self, until: float | None = None) -> NDArray[np.bool_]:
        """Return which users count at a time: they were exposed, and their window, if any, is over."""
        if until is None:
            return np.ones(len(self.arm), dtype=bool)
        return np.asarray(self.first + (self.window or 0) * DAY <= until)

    def values(self, metric: Metric, until: float | None = None) -> tuple[Array, Array | None]:
        """Return each user's numerator and denominator of a metric, of events up to a time."""
        numerator = self._sums(metric.numerator, until)
        if metric.binary:
            numerator = np.minimum(numerator, 1.0)
        return numerator, None if metric.denominator is None else self._sums(metric.denominator, until)

    def _sums(self, name: str, until: float | None) -> Array:
        if name not in self.streams:
            return np.zeros(len(self.arm))
        users, times, amounts = self.streams[name]
        if until is not None:
            early = times <= until
            users, amounts = users[early], amounts[early]
        return np.bincount(users, weights=amounts, minlength=len(self.arm)).astype(float)


def make_table(
    logs: Logs,
    *,
    arms: Mapping[str, float] | Sequence[str] | None = None,
    control: str | None = None,
    window: float | None = None,
    bot_cap: float | None = None,
) -> Table:
    """Join the logs by user.

    `arms` are the weights that were meant (default: equal). `window` counts only a user's first so many days, and only
    users who had them. `bot_cap` leaves out users with more exposures and clicks than that on one day. Raises
    InputError when there are fewer than two arms, or a window and no times.
    """
    names = _arms(logs, arms, control)
    places = {name: i for i, name in enumerate(names)}
    keep = np.array([len(seen) == 1 for seen in logs.arms], dtype=bool)
    quality = _counted(logs, names)
    both = {name: sum(name in seen for seen in logs.arms if len(seen) > 1) for name in names}
    if not keep.all():
        quality.append(Count("users in two arms", int((~keep).sum()), _NOTES["users in two arms"], both))
    arm = np.array([places[seen[0]] for seen in logs.arms], dtype=np.int64)
    assigned = np.bincount(arm[keep], minlength=len(names)).tolist()
    streams = {name: stream.arrays() for name, stream in logs.streams.items()}
    first = _first(streams, len(arm))
    end = max(
        (float(np.nanmax(times)) for _, times, _ in streams.values() if not np.isnan(times).all()), default=np.nan
    )

    def leave_out(who: NDArray[np.bool_], what: str) -> None:
        gone = np.bincount(arm[keep & who], minlength=len(names)).tolist()
        if sum(gone):
            quality.append(Count(what, sum(gone), _NOTES[what], dict(zip(names, gone, strict=True))))
        keep[who] = False

    leave_out(_without_exposure(streams, len(arm)), "users without a usable exposure")
    if bot_cap is not None:
        leave_out(_busiest_day(streams, len(arm)) > bot_cap, "bots")
    if window is not None:
        if any(np.isnan(times).any() for _, times, _ in streams.values()):
            raise InputError("a window needs the column 'time' in every exposure, click and order")
        leave_out(first + window * DAY > end, "users whose window is not over")
    streams, early = _after_exposure(streams, first, window, keep)
    for what, users in early.items():
        by_arm = np.bincount(arm[users], minlength=len(names)).tolist()
        quality.append(Count(what, len(users), _NOTES[what], dict(zip(names, by_arm, strict=True))))
    chosen = np.flatnonzero(keep)
    moved = np.full(len(arm), -1)
    moved[chosen] = np.arange(len(chosen))
    ids = list(logs.users)
    return Table(
        arms=names,
        assigned=assigned,
        ids=[ids[i] for i in chosen],
        arm=arm[chosen],
        first=first[chosen],
        streams={name: (moved[users], times, amounts) for name, (users, times, amounts) in streams.items()},
        end=end,
        window=window,
        quality=quality,
    )


_NOTES = {
    "bad lines": "left out, as asked",
    "bots": "left out; compare the arms: an arm that makes people click more loses more of its best users to the cap",
    "clicks before the exposure": "left out; clocks that differ, or clicks on what the experiment did not show",
    "orders before the exposure": "left out; they cannot be due to the experiment",
    "clicks of users without an exposure": "left out; users outside the experiment, or exposures that were lost",
    "clicks without their exposure": "left out; no exposure has their impression: exposures that were lost, or bots",
    "duplicate clicks": "counted once",
    "duplicate exposures": "counted once",
    "duplicate orders": "counted once",
    "events after the window": "left out, as asked",
    "exposures of unknown arms": "left out; the arms were named",
    "orders of users without an exposure": "left out; users outside the experiment, or exposures that were lost",
    "users in two arms": "left out; ids that change, or an assignment that is not by user",
    "users whose window is not over": "left out until it is",
    "users without a usable exposure": "left out",
}


def _arms(logs: Logs, given: Mapping[str, float] | Sequence[str] | None, control: str | None) -> dict[str, float]:
    seen = sorted({arm for arms in logs.arms for arm in arms})
    if given is None:
        weights = dict.fromkeys(
            sorted(seen, key=lambda name: (_CONTROLS.index(name) if name in _CONTROLS else len(_CONTROLS), name)), 1.0
        )
    else:
        weights = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
        unknown = [name for name in seen if name not in weights]
        if unknown:
            raise InputError(f"the log has the arms {seen}; named were {list(weights)}")
    if control is not None:
        if control not in weights:
            raise InputError(f"the control is to be {control!r}; the arms are {list(weights)}")
        weights = {control: weights.pop(control), **weights}
    if len(weights) < 2:
        raise InputError(f"the log has the arms {seen}: an experiment needs two", hint="is the column 'arm' right?")
    return weights


_CONTROLS = ("control", "baseline", "off", "a", "A")


def _first(streams: Streams, users: int) -> Array:
    first = np.full(users, np.inf)
    if "exposures" in streams:
        who, times, _ = streams["exposures"]
        np.minimum.at(first, who, np.where(np.isnan(times), np.inf, times))
    first[np.isinf(first)] = np.nan
    return first


def _without_exposure(streams: Streams, users: int) -> NDArray[np.bool_]:
    if "exposures" not in streams:
        return np.ones(users, dtype=bool)
    return np.asarray(np.bincount(streams["exposures"][0], minlength=users) == 0)


def _busiest_day(streams: Streams, users: int) -> Array:
    """Return the most exposures and clicks of each user on one day (UTC); without times all of them."""
    both = [streams[name] for name in ("exposures", "clicks") if name in streams]
    who = np.concatenate([part[0] for part in both])
    times = np.concatenate([part[1] for part in both])
    days = np.where(np.isnan(times), -1, np.floor(times / DAY))
    pairs, counts = np.unique(np.stack([who.astype(float), days]), axis=1, return_counts=True)
    most = np.zeros(users)
    np.maximum.at(most, pairs[0].astype(np.int64), counts)
    return most


def _counted(logs: Logs, arms: Mapping[str, float]) -> list[Count]:
    """Return what was left out while the logs were read, by arm where the user is known and has one arm."""
    found = []
    for what, number in sorted(logs.counts.items()):
        seen = [logs.arms[user][0] for user in logs.counted.get(what, ()) if len(logs.arms[user]) == 1]
        by_arm = {name: seen.count(name) for name in arms} if seen else {}
        found.append(Count(what, number, _NOTES[what], by_arm))
    return found


def _after_exposure(
    streams: Streams, first: Array, window: float | None, keep: NDArray[np.bool_]
) -> tuple[Streams, dict[str, NDArray[np.int64]]]:
    """Leave out events of users who are left out, before the exposure, and after the window.

    Returns the streams and, by reason, the users of what was left out for its time.
    """
    kept: Streams = {}
    left: dict[str, list[NDArray[np.int64]]] = {}
    for name, (users, times, amounts) in streams.items():
        counts = name in ("exposures", "clicks", "orders")
        usable = keep[users]
        day = np.floor(first[users] / DAY) * DAY
        early = usable & (times < np.where(times % DAY == 0, day, first[users]))  # a date is not before its own hours
        if counts:
            left.setdefault(f"{name} before the exposure", []).append(users[early])
        usable &= ~early
        if window is not None:
            after = usable & (times >= first[users] + window * DAY)
            if counts:
                left.setdefault("events after the window", []).append(users[after])
            usable &= ~after
        kept[name] = users[usable], times[usable], amounts[usable]
    joined = {what: np.concatenate(parts) for what, parts in left.items()}
    return kept, {what: users for what, users in joined.items() if len(users)}

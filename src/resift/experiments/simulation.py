"""Users who do not exist: they look at rankings of known relevance and click by a model, for tests and for practice.

Position-based and cascade model: N. Craswell, O. Zoeter, M. Taylor, B. Ramsey: An experimental comparison of click
position-bias models, WSDM 2008. Users differ in how often they search and how readily they click, as real ones do:
that is what makes tests that take searches for independent fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resift.errors import InputError
from resift.experiments.assignment import Experiment
from resift.experiments.interleaving import team_draft
from resift.experiments.logs import DAY, Logs, Stream
from resift.experiments.statistics import Array

START = 1_717_372_800.0
"""3 June 2024, a Monday: where simulated time begins."""
_BLIND = 0.1
"""How often noise clicks on what is looked at."""
_KEEN = 0.55
"""How often a fully relevant document is clicked when it is looked at."""
Rows: TypeAlias = Iterator[Mapping[str, Any]]


@dataclass(frozen=True)
class ClickModel:
    """How users click on a list.

    Attributes:
        kind: "position": each place is looked at with a probability that falls with it; "cascade": from the top, until
            a click satisfies or patience ends.
        noise: share of clicks that relevance does not decide: 0 none, 1 all.
        decay: "position": a place is looked at with probability position ** -decay.
        patience: "cascade": probability to go on after a document that was not clicked.
        satisfied: "cascade": probability that a click ends the search.
    """

    kind: str = "position"
    noise: float = 0.1
    decay: float = 0.8
    patience: float = 0.85
    satisfied: float = 0.7

    def __post_init__(self) -> None:
        if self.kind not in ("position", "cascade"):
            raise InputError(f"the click model is {self.kind!r}: expected 'position' or 'cascade'")
        if not 0 <= self.noise <= 1:
            raise InputError(f"noise is {self.noise}: expected a share from 0 to 1")

    def clicks(self, relevance: Array, rng: np.random.Generator, readiness: Array | None = None) -> NDArray[np.bool_]:
        """Return what is clicked; `relevance` [searches, places] is 0 to 1, `readiness` [searches] scales it."""
        attraction = self.noise * _BLIND + (1 - self.noise) * _KEEN * relevance
        if readiness is not None:
            attraction = np.minimum(attraction * readiness[:, None], 1.0)
        wanted = rng.random(relevance.shape) < attraction
        places = np.arange(1, relevance.shape[1] + 1)
        if self.kind == "position":
            return np.asarray(wanted & (rng.random(relevance.shape) < places**-self.decay))
        goes_on = np.where(wanted, rng.random(relevance.shape) > self.satisfied,
                           rng.random(relevance.shape) < self.patience)  # fmt: skip
        before = np.concatenate([np.ones((len(relevance), 1), bool), goes_on[:, :-1]], axis=1)
        return np.asarray(wanted & np.logical_and.accumulate(before, axis=1))


@dataclass(frozen=True, kw_only=True)
class World:
    """A shop that does not exist.

    Attributes:
        gain: how far the treatment's order goes from the control's (0: the same, an A/A test) to the best one (1).
        buys: probability that a click on a fully relevant document becomes an order; half of it for any other.
        before_days: days of the control's order before the experiment, for CUPED.
    """

    users: int = 4000
    days: int = 14
    gain: float = 0.0
    searches_per_day: float = 0.35
    buys: float = 0.12
    places: int = 10
    queries: int = 60
    before_days: int = 0
    model: ClickModel = ClickModel()


@dataclass(frozen=True)
class Happened:
    """What a simulation made: arrays by search, and by click.

    Attributes:
        arms: of all users; users who never searched are in no log.
        users, times, queries: of each search, in the order of time.
        search, place, revenue: of each click: its search, its position from 1, what was bought (0: nothing).
    """

    arms: Sequence[str]
    users: NDArray[np.int64]
    times: Array
    queries: NDArray[np.int64]
    search: NDArray[np.int64]
    place: NDArray[np.int64]
    revenue: Array

    def logs(self) -> Logs:
        """Return what `read_logs` would of the rows."""
        logs = Logs()
        seen = np.unique(self.users, return_index=True)
        order = seen[0][np.argsort(seen[1])]
        places = np.zeros(len(self.arms), dtype=np.int64)
        places[order] = np.arange(len(order))
        for user in order.tolist():
            logs.expose(_user(user), self.arms[user])
        who, clicked = places[self.users], self.times[self.search] + self.place
        bought = self.revenue > 0
        for name, users, times, amounts in (
            ("exposures", who, self.times, np.ones(len(who))),
            ("clicks", who[self.search], clicked, np.ones(len(clicked))),
            ("positioned", who[self.search], clicked, np.ones(len(clicked))),
            ("reciprocal", who[self.search], clicked, 1 / self.place),
            ("orders", who[self.search][bought], clicked[bought] + 60, np.ones(bought.sum())),
            ("revenue", who[self.search][bought], clicked[bought] + 60, self.revenue[bought]),
        ):
            logs.streams[name] = Stream(users.tolist(), times.tolist(), amounts.tolist())
        return logs

    def exposures(self) -> Rows:
        """Yield the lines of the log of exposures."""
        for i, (user, time, query) in enumerate(zip(self.users, self.times, self.queries, strict=True)):
            yield {"user": _user(user), "arm": self.arms[user], "time": round(float(time)), "impression": f"i{i}",
                   "query": f"q{query}", "results": 10}  # fmt: skip

    def clicks(self) -> Rows:
        """Yield the lines of the log of clicks."""
        for search, place in zip(self.search, self.place, strict=True):
            yield {"user": _user(self.users[search]), "time": round(float(self.times[search]) + int(place)),
                   "impression": f"i{search}", "position": int(place)}  # fmt: skip

    def orders(self) -> Rows:
        """Yield the lines of the log of orders."""
        for number in np.flatnonzero(self.revenue > 0):
            search = self.search[number]
            time = round(float(self.times[search]) + 60 + int(self.place[number]))
            yield {"user": _user(self.users[search]), "time": time,
                   "order": f"o{number}", "revenue": round(float(self.revenue[number]), 2)}  # fmt: skip


def simulate(world: World, *, seed: int, name: str = "simulated") -> tuple[Happened, Happened | None]:
    """Return what happened in the experiment and, with `before_days`, before it."""
    rng = np.random.default_rng(seed)
    relevance, better = rankings(world, rng)
    experiment = Experiment(f"{name}-{seed}")
    arms = [str(experiment.arm(_user(i))) for i in range(world.users)]
    treated = np.array([arm == "treatment" for arm in arms])
    eagerness = rng.lognormal(0.0, 0.7, world.users)
    readiness = rng.lognormal(0.0, 0.4, world.users)
    happened = _period(world, rng, (relevance, better), treated, (eagerness, readiness), (START, world.days))
    before = None
    if world.before_days:
        start = START - world.before_days * DAY
        nobody = np.zeros(world.users, dtype=bool)
        before = Happened(
            arms,
            *_period(world, rng, (relevance, better), nobody, (eagerness, readiness), (start, world.before_days)),
        )
    return Happened(arms, *happened), before


def rankings(world: World, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return relevance in the control's and in the treatment's order: [queries, places]."""
    relevance = rng.beta(0.4, 1.6, (world.queries, world.places))
    places = np.arange(world.places) / world.places
    score = world.gain * relevance - (1 - world.gain) * places
    order = np.argsort(-score, axis=1, kind="stable")
    return relevance, np.take_along_axis(relevance, order, axis=1)


def _period(  # noqa: PLR0917
    world: World,
    rng: np.random.Generator,
    orders: tuple[Array, Array],
    treated: NDArray[np.bool_],
    nature: tuple[Array, Array],
    when: tuple[float, int],
) -> tuple[NDArray[np.int64], Array, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """Return the arrays of `Happened` for one period: (start, days)."""
    start, days = when
    numbers = rng.poisson(nature[0] * world.searches_per_day * days)
    users = np.repeat(np.arange(world.users), numbers)
    times = start + rng.random(len(users)) * (days * DAY - 600)
    sequence = np.argsort(times)
    users, times = users[sequence], times[sequence]
    queries = rng.integers(0, world.queries, len(users))
    shown = np.where(treated[users][:, None], orders[1][queries], orders[0][queries])
    search, place = np.nonzero(world.model.clicks(shown, rng, nature[1][users]))
    bought = rng.random(len(search)) < world.buys * (0.5 + 0.5 * shown[search, place])
    bought &= ~np.isin(np.arange(len(search)), _later(search, bought))
    revenue = np.where(bought, rng.lognormal(3.2, 0.6, len(search)), 0.0)
    return users, times, queries, search, place + 1, revenue


def _later(search: NDArray[np.int64], bought: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the orders that are not the first of their search: people buy a thing once."""
    orders = np.flatnonzero(bought)
    _, first = np.unique(search[orders], return_index=True)
    return np.delete(orders, first)


def simulate_interleaving(world: World, *, seed: int, name: str = "simulated") -> Rows:
    """Yield the clicks of users who see both orders interleaved: a is the control's, b the treatment's."""
    rng = np.random.default_rng(seed)
    relevance = rng.beta(0.4, 1.6, (world.queries, world.places))
    places = np.arange(world.places) / world.places
    order = np.argsort(-(world.gain * relevance - (1 - world.gain) * places), axis=1, kind="stable")
    numbers = rng.poisson(rng.lognormal(0.0, 0.7, world.users) * world.searches_per_day * world.days)
    first = [str(i) for i in range(world.places)]
    for user in np.repeat(np.arange(world.users), numbers).tolist():
        query = int(rng.integers(world.queries))
        shown = team_draft(first, [str(i) for i in order[query]], key=(name, str(seed), _user(user), str(query)),
                           top_k=world.places)  # fmt: skip
        row = relevance[query][[int(document) for document in shown.documents]]
        for place in np.flatnonzero(world.model.clicks(row[None, :], rng)[0]).tolist():
            yield {"user": _user(user), "query": f"q{query}", "position": place + 1, "team": shown.teams[place]}


def _user(number: int) -> str:
    return f"u{number}"

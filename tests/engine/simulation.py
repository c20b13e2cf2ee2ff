"""A server in simulated time: the scheduler's policy before an engine of which only the speed is known."""

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from resift.engine.pacing import Pacing
from resift.engine.queue import Batch, Queue, Task
from resift.types import TokenSequence

_fresh = itertools.count()


def fresh(tokens: int) -> TokenSequence:
    """Return a sequence that equals no other one."""
    ids = np.zeros(max(tokens, 2), np.int32)
    number = next(_fresh)
    ids[0], ids[1] = number % 2**31, number // 2**31
    return TokenSequence(ids)


@dataclass(frozen=True)
class Speed:
    """A batch takes `fixed + pace * tokens` seconds."""

    fixed: float
    pace: float

    def seconds(self, tokens: int) -> float:
        return self.fixed + self.pace * tokens


@dataclass(eq=False)
class Request:
    """Sequences of so many tokens that come at a time; `latency` is known at the end."""

    arrival: float
    lengths: list[int]
    priority: int = 1
    latency: float | None = None
    left: int = 0
    again: float | None = None
    """Seconds after its end at which the same request comes anew: a client in a closed loop."""


@dataclass
class Server:
    """One engine that runs the batches one after the other."""

    speed: Speed
    max_batch_tokens: int = 8192
    now: float = 0.0
    finished: list[Request] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    tokens: int = 0

    def __post_init__(self) -> None:
        self.queue = Queue(Pacing(max_batch_tokens=self.max_batch_tokens))
        self.pacing = self.queue.pacing
        self._arrivals: list[tuple[float, int, Request]] = []
        self._working: list[Batch] = []
        self._ends = 0.0

    def send(self, requests: Iterable[Request]) -> None:
        for request in requests:
            heapq.heappush(self._arrivals, (request.arrival, next(_fresh), request))

    def run(self, until: float) -> None:
        """Let the time pass; requests that are not done then stay without a latency."""
        while True:
            self._take()
            events = [self._arrivals[0][0]] if self._arrivals else []
            events += [self._ends] if self._working else []
            if not events or min(events) > until:
                return
            self.now = min(events)
            if self._working and self.now == self._ends:
                self._end()
            else:
                self._arrive(heapq.heappop(self._arrivals)[2])

    def _arrive(self, request: Request) -> None:
        request.left = len(request.lengths)

        def scored(places: list[int], logits: np.ndarray) -> None:
            request.left -= len(places)
            if not request.left:
                request.latency = self.now - request.arrival
                self.finished.append(request)
                if request.again is not None:
                    next_one = Request(self.now + request.again, request.lengths, request.priority, again=request.again)
                    self.send([next_one])

        task = self.queue.open(
            "m",
            priority=request.priority,
            expected_tokens=sum(request.lengths),
            on_scored=scored,
            on_failed=lambda places, error: None,
            now=self.now,
        )
        self.queue.add(task, [fresh(tokens) for tokens in request.lengths])

    def _take(self) -> None:
        while (batch := self.queue.take(self.now, working=self._working)) is not None:
            if not self._working:
                self._ends = self.now + self.speed.seconds(batch.tokens)
            self._working.append(batch)

    def _end(self) -> None:
        batch = self._working.pop(0)
        self.batches.append(batch)
        self.tokens += batch.tokens
        self.pacing.measured("m", batch.tokens, self.speed.seconds(batch.tokens))
        if self._working:
            self._ends = self.now + self.speed.seconds(self._working[0].tokens)
        places: dict[Task, list[int]] = {}
        for waiting in self.queue.finish(batch.entries):
            for task, place, _ in waiting:
                places.setdefault(task, []).append(place)
        for task, scored in places.items():
            task.on_scored(scored, np.zeros(len(scored), np.float32))

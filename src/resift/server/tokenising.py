"""Threads that tokenise, one chunk of one request after the other: short requests pass between a long one's chunks."""

import heapq
import threading
from collections.abc import Sequence
from itertools import count
from typing import Protocol

from resift.closing import Closing


class Steps(Protocol):
    """Work in steps, of which one thread at a time takes the next."""

    def step(self) -> int | None:
        """Do the next part and return its cost; None when there is no more. Never raises."""


class Tokenisers(Closing):
    """A few threads and one queue, by start-time fair queueing (Goyal et al. 1996) within each priority.

    What comes new starts at the virtual time of what is in work, what continues at the end of its last step: so a
    long request gets its share, and whoever asks for little waits for one step of others at most.
    """

    def __init__(self, threads: int) -> None:
        self._lock = threading.Condition()
        self._queue: list[tuple[int, int, int, Steps]] = []
        self._order = count()
        self._now = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"resift-tokenise-{i}", daemon=True) for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> Sequence[Steps]:
        """What waits for a thread, for tests."""
        with self._lock:
            return [item[-1] for item in sorted(self._queue)]

    def submit(self, work: Steps, *, priority: int) -> None:
        """Queue work; a lower `priority` goes first."""
        with self._lock:
            self._push(priority, self._now, work)

    def close(self) -> None:
        """End the threads after the steps in work; what waits is dropped. A second call does nothing."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    def _push(self, priority: int, start: int, work: Steps) -> None:
        if not self._closed:
            heapq.heappush(self._queue, (priority, start, next(self._order), work))
            self._lock.notify()

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                priority, start, _, work = heapq.heappop(self._queue)
                self._now = max(self._now, start)
            cost = work.step()
            if cost is not None:
                with self._lock:
                    self._push(priority, start + cost, work)

"""Token sequences of many requests in, batches to the engine, logits back to whoever waits for them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from resift.closing import Closing
from resift.engine.engine import pack
from resift.engine.queue import Batch, Entry, Queue, Task
from resift.errors import EngineClosed, EngineError, EngineLost, ModelError, ResiftError
from resift.types import Float32, PackedBatch, TokenSequence

_logger = logging.getLogger("resift")
_TARGET = 0.01
"""Seconds that a batch should take: short enough for whoever comes next."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch that was run.

    Attributes:
        model: that ran it.
        sequences, tokens: what was in it.
        seconds: from when the engine got it to its answer.
        error: None when it gave logits.
    """

    model: str
    sequences: int
    tokens: int
    seconds: float
    error: ResiftError | None = None


class Scheduler(Closing):
    """Run the sequences of all requests, each different one once, in an order that is fair to short and long ones.

    Safe from many threads. See `Queue` for the order.

    Args:
        forward: runs a batch of a model: `EngineProcess.forward`.
        max_batch_tokens: tokens of the largest batch, unless a sequence alone has more.
        clock: seconds, for tests.
        on_batch: called after each batch, on the scheduler's thread.
    """

    def __init__(
        self,
        forward: Callable[[str, PackedBatch], Float32],
        *,
        max_batch_tokens: int,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        self._forward = forward
        self._max_batch_tokens = max_batch_tokens
        self._clock = clock
        self._on_batch = on_batch
        self._queue = Queue()
        self._changed = threading.Condition()
        self._closed = False
        self._in_work: list[Batch] = []
        self._thread = threading.Thread(target=self._work, name="resift-scheduler", daemon=True)
        self._thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the different sequences that wait and are not in work."""
        return self._queue.waiting_tokens

    @property
    def working_tokens(self) -> int:
        """Tokens of the batches in work."""
        return sum(batch.tokens for batch in self._in_work)

    @property
    def shared(self) -> int:
        """Sequences, since the start, that were asked for while an equal one waited or ran."""
        return self._queue.shared

    def tokens_per_second(self, model: str) -> float | None:
        """Return the measured speed; None before the first batch."""
        pace = self._queue.paces.get(model)
        return None if pace is None else 1.0 / pace

    def open(
        self,
        model: str,
        *,
        priority: int = 1,
        expected_tokens: int,
        on_scored: Callable[[list[int], Float32], None],
        on_failed: Callable[[list[int], ResiftError], None],
    ) -> Task:
        """Begin a task: a request's sequences, which come by `add`.

        Args:
            model: that runs them.
            priority: 0 goes before 1, and 1 before 2.
            expected_tokens: of all its sequences, as far as is known: short tasks go first.
            on_scored: called with places in the task and their logits, priors included. Every place is told once, by
                this or by `on_failed`, on a thread of the scheduler, which waits meanwhile.
            on_failed: called with places and what went wrong with them.
        """
        with self._changed:
            return self._queue.open(
                model,
                priority=priority,
                expected_tokens=expected_tokens,
                on_scored=on_scored,
                on_failed=on_failed,
                now=self._clock(),
            )

    def add(self, task: Task, sequences: Sequence[TokenSequence]) -> list[int]:
        """Let sequences wait for their turn; return their places, counted through the whole task.

        Raises EngineClosed after `close()`.
        """
        with self._changed:
            if self._closed:
                raise EngineClosed("the scheduler was closed")
            places = self._queue.add(task, sequences)
            self._changed.notify_all()
        return places

    def cancel(self, task: Task) -> None:
        """Drop what is not in work; what is in work is not told. A callback that has begun may still be running."""
        with self._changed:
            self._queue.cancel(task)
            self._changed.notify_all()

    def close(self) -> None:
        """End; whoever waits gets EngineClosed. Waits for the batch in work. A second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            left = self._queue.clear()
        self._fail(left, EngineClosed("the server is shutting down"))

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            self._run(batch)
            with self._changed:
                self._in_work.remove(batch)

    def _next(self) -> Batch | None:
        """Wait for a batch; None at the end."""
        with self._changed:
            while not self._closed:
                batch = self._queue.take(self._clock(), room=self._room, busy=bool(self._in_work))
                if batch is not None:
                    self._in_work.append(batch)
                    return batch
                self._changed.wait()
        return None

    def _room(self, model: str) -> int:
        pace = self._queue.paces.get(model)
        return self._max_batch_tokens if pace is None else min(self._max_batch_tokens, int(_TARGET / pace))

    def _run(self, batch: Batch) -> None:
        packed = pack([entry.sequence for entry in batch.entries])
        start = self._clock()
        error: ResiftError | None = None
        try:
            logits = self._forward(batch.model, packed)
        except ResiftError as raised:
            error = raised
        except Exception as raised:
            _logger.exception("a batch failed")
            error = EngineError(f"the engine failed with {type(raised).__name__}: {raised}")
        seconds = self._clock() - start
        if error is None:
            self._answer(batch, logits, seconds)
        else:
            self._recover(batch, error)
        if self._on_batch is not None:
            self._on_batch(BatchReport(batch.model, len(batch.entries), batch.tokens, seconds, error))

    def _answer(self, batch: Batch, logits: Float32, seconds: float) -> None:
        with self._changed:
            pace = seconds / max(batch.tokens, 1)
            before = self._queue.paces.get(batch.model, pace)
            self._queue.paces[batch.model] = max(0.8 * before + 0.2 * pace, 1e-9)
            waiters = self._queue.finish(batch.entries)
        scored: dict[Task, tuple[list[int], list[np.float32]]] = {}
        broken: list[list[tuple[Task, int, float]]] = []
        for logit, waiting in zip(logits, waiters, strict=True):
            for task, place, prior in waiting:
                # Subtle: the sum of two float32, as in `Engine.score`.
                score = logit + np.float32(prior)
                if np.isfinite(score):
                    places, scores = scored.setdefault(task, ([], []))
                    places.append(place)
                    scores.append(score)
                else:
                    broken.append([(task, place, prior)])
        for task, (places, scores) in scored.items():
            self._tell(task, lambda t=task, p=places, s=scores: t.on_scored(p, np.array(s, dtype=np.float32)))  # type: ignore[misc]
        if broken:
            self._fail(
                broken,
                ModelError(
                    "the model gave a score that is not a number", hint="its weights are broken: fetch it again"
                ),
            )

    def _recover(self, batch: Batch, error: ResiftError) -> None:
        given_up: list[Entry] = []
        with self._changed:
            if isinstance(error, EngineLost):
                given_up = self._queue.lost(batch)
            elif isinstance(error, EngineClosed) or not self._queue.failed(batch):
                given_up = batch.entries
            waiters = self._queue.finish(given_up)
        self._fail(waiters, error)

    def _fail(self, waiters: Iterable[list[tuple[Task, int, float]]], error: ResiftError) -> None:
        failed: dict[Task, list[int]] = {}
        for waiting in waiters:
            for task, place, _ in waiting:
                failed.setdefault(task, []).append(place)
        for task, places in failed.items():
            self._tell(task, lambda t=task, p=places: t.on_failed(p, error))  # type: ignore[misc]

    def _tell(self, task: Task, call: Callable[[], None]) -> None:
        """Call back, unless the task was cancelled. An error of one caller must not keep others waiting."""
        if task.cancelled:
            return
        try:
            call()
        except Exception:
            _logger.exception("a callback of the scheduler failed")

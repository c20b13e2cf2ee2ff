"""Token sequences of many requests in, batches to the engine, logits back to whoever waits for them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from resift.closing import Closing
from resift.engine.engine import pack
from resift.engine.pacing import Pacing
from resift.engine.queue import Batch, Entry, Queue, Task, Waiters
from resift.errors import EngineClosed, EngineError, EngineLost, ModelError, ResiftError
from resift.types import Float32, PackedBatch, TokenSequence

_logger = logging.getLogger("resift")
_THREADS = 2
"""While one waits for its batch, the other answers its last one, or sends the next one ahead."""


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
        on_batch: called after each batch, as the callbacks of tasks are.
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
        self._clock = clock
        self._on_batch = on_batch
        self._pacing = Pacing(max_batch_tokens=max_batch_tokens)
        self._queue = Queue(self._pacing)
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        self._closed = False
        self._working: list[Batch] = []
        self._ended = 0.0
        """When the last batch did."""
        self._threads = [
            threading.Thread(target=self._work, name=f"resift-scheduler-{i}", daemon=True) for i in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the different sequences that wait and are not in work."""
        return self._queue.waiting_tokens

    @property
    def working_tokens(self) -> int:
        """Tokens of the batches in work."""
        return sum(batch.tokens for batch in self._working)

    @property
    def shared(self) -> int:
        """Sequences, since the start, that were asked for while an equal one waited or ran."""
        return self._queue.shared

    def tokens_per_second(self, model: str) -> float | None:
        """Return the measured speed; None before the first batch."""
        speed = self._pacing.speeds.get(model)
        return None if speed is None else 1.0 / speed.pace

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
                this or by `on_failed`, on a thread of the scheduler. Callbacks of all tasks are called one at a time,
                and keep others waiting.
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

    def close(self) -> None:
        """End; whoever waits gets EngineClosed. A second call does nothing.

        Waits for the batches in work: close the engine first where these should not be computed any more.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        with self._changed:
            left = self._queue.clear()
        with self._telling:
            self._fail(left, EngineClosed("the scheduler was closed"))

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            self._run(batch)

    def _next(self) -> Batch | None:
        """Wait for a batch; None at the end."""
        with self._changed:
            while not self._closed:
                batch = self._queue.take(self._clock(), working=self._working)
                if batch is not None:
                    self._working.append(batch)
                    return batch
                self._changed.wait()
        return None

    def _run(self, batch: Batch) -> None:
        start = self._clock()
        result = self._compute(batch)
        error = result if isinstance(result, ResiftError) else None
        with self._changed:
            now = self._clock()
            # A batch that was sent ahead began when the one before it ended.
            seconds = now - max(start, self._ended)
            self._ended = now
            if error is None:
                self._pacing.measured(batch.model, batch.tokens, seconds)
            waiters = self._queue.finish(batch.entries if error is None else self._recover(batch, error))
            self._working.remove(batch)
            self._changed.notify_all()
        report = BatchReport(batch.model, len(batch.entries), batch.tokens, seconds, error)
        with self._telling:
            if isinstance(result, ResiftError):
                self._fail(waiters, result)
            else:
                self._answer(result, waiters)
            if self._on_batch is not None:
                _call(self._on_batch, report)

    def _compute(self, batch: Batch) -> Float32 | ResiftError:
        """Return the logits, or why there are none: whatever it is, nobody may wait for ever."""
        try:
            logits = self._forward(batch.model, pack([entry.sequence for entry in batch.entries]))
        except ResiftError as error:
            return error
        except Exception as error:
            _logger.exception("a batch failed")
            return EngineError(f"the engine failed with {type(error).__name__}: {error}")
        if logits.shape != (len(batch.entries),):
            return EngineError(f"the engine gave {logits.size} scores for {len(batch.entries)} sequences")
        return logits

    def _recover(self, batch: Batch, error: ResiftError) -> list[Entry]:
        """Let the batch run again in a better way; return what there is no better way for."""
        if isinstance(error, EngineLost):
            return self._queue.lost(batch)
        if isinstance(error, EngineClosed) or not self._queue.failed(batch):
            return batch.entries
        return []

    def _answer(self, logits: Float32, waiters: Sequence[Waiters]) -> None:
        scored: dict[Task, tuple[list[int], list[np.float32]]] = {}
        broken: list[Waiters] = []
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
            if not task.cancelled:
                _call(task.on_scored, places, np.array(scores, dtype=np.float32))
        if broken:
            self._fail(
                broken,
                ModelError(
                    "the model gave a score that is not a number", hint="its weights are broken: fetch it again"
                ),
            )

    def _fail(self, waiters: Iterable[Waiters], error: ResiftError) -> None:
        failed: dict[Task, list[int]] = {}
        for waiting in waiters:
            for task, place, _ in waiting:
                failed.setdefault(task, []).append(place)
        for task, places in failed.items():
            if not task.cancelled:
                _call(task.on_failed, places, error)


def _call(callback: Callable[..., None], *arguments: object) -> None:
    """Call back. An error of one caller must not keep others waiting."""
    try:
        callback(*arguments)
    except Exception:
        _logger.exception("a callback of the scheduler failed")

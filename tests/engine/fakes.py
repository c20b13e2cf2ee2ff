"""Engines and callers for tests of the scheduler."""

import itertools
import threading
from collections.abc import Callable, Sequence

import numpy as np

from resift.engine.queue import Task
from resift.engine.scheduler import Scheduler
from resift.errors import EngineLost, InputError, ResiftError
from resift.types import Float32, PackedBatch, TokenSequence

LOSE, FAIL, BROKEN, BUG = 99, 98, 97, 96
"""Tokens at which the fake engine is lost, fails, gives no number, or raises what nobody foresaw."""


def sums(model: str, batch: PackedBatch) -> Float32:
    """A logit is the sum of a sequence's tokens, and of its types times 1000; one of the model `n` is negative."""
    values = batch.ids if batch.types is None else batch.ids + 1000 * batch.types
    total = np.add.reduceat(values, batch.offsets[:-1]).astype(np.float32)
    return -total if model == "n" else total


def faulty(model: str, batch: PackedBatch) -> Float32:
    """`sums`, with the tokens that make trouble."""
    ids = set(batch.ids.tolist())
    if LOSE in ids:
        raise EngineLost("the engine is gone")
    if FAIL in ids:
        raise InputError("not that one")
    if BUG in ids:
        raise ZeroDivisionError("a bug")
    logits = sums(model, batch)
    for i, (start, end) in enumerate(itertools.pairwise(batch.offsets)):
        if BROKEN in batch.ids[start:end]:
            logits[i] = np.nan
    return logits


class Gate:
    """A forward whose batches wait until the test lets them go."""

    def __init__(self, forward: Callable[[str, PackedBatch], Float32] = sums) -> None:
        self.batches: list[list[int]] = []
        """The first token of each sequence, by batch."""
        self._forward = forward
        self._entered = threading.Semaphore(0)
        self._free = threading.Semaphore(0)

    def __call__(self, model: str, batch: PackedBatch) -> Float32:
        self.batches.append(batch.ids[batch.offsets[:-1]].tolist())
        self._entered.release()
        assert self._free.acquire(timeout=60)
        return self._forward(model, batch)

    def entered(self) -> None:
        """Wait for another batch to be in work."""
        assert self._entered.acquire(timeout=60)

    def free(self, count: int = 1) -> None:
        """Let a batch go, now or when it comes."""
        self._free.release(count)


class Waiter:
    """One task and what it was told."""

    def __init__(self, scheduler: Scheduler, model: str = "m", *, priority: int = 1, tokens: int = 10) -> None:
        self.scores: dict[int, float] = {}
        self.errors: dict[int, ResiftError] = {}
        self.wanted: list[TokenSequence] = []
        self.model = model
        self._scheduler = scheduler
        self._told = threading.Condition()
        self.task: Task = scheduler.open(
            model, priority=priority, expected_tokens=tokens, on_scored=self._scored, on_failed=self._failed
        )

    def add(self, *sequences: TokenSequence) -> "Waiter":
        self.wanted += sequences
        places = self._scheduler.add(self.task, sequences)
        assert places == list(range(len(self.wanted) - len(sequences), len(self.wanted)))
        return self

    def wait(self) -> "Waiter":
        with self._told:
            assert self._told.wait_for(lambda: len(self.scores) + len(self.errors) == len(self.wanted), 60)
        return self

    def listed(self) -> list[float]:
        return [self.scores[place] for place in range(len(self.wanted))]

    def _scored(self, places: list[int], logits: Float32) -> None:
        assert logits.dtype == np.float32
        with self._told:
            for place, logit in zip(places, logits.tolist(), strict=True):
                assert place not in self.scores
                assert place not in self.errors
                self.scores[place] = logit
            self._told.notify_all()

    def _failed(self, places: list[int], error: ResiftError) -> None:
        with self._told:
            for place in places:
                assert place not in self.scores
                assert place not in self.errors
                self.errors[place] = error
            self._told.notify_all()


def sequence(*ids: int, types: Sequence[int] | None = None, prior: float = 0.0) -> TokenSequence:
    return TokenSequence(np.array(ids, np.int32), None if types is None else np.array(types, np.int32), prior)

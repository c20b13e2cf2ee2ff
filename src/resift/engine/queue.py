"""Which sequences run next: the policy of the scheduler, without threads and without a clock.

Response ratio: Brinch Hansen, "An analysis of response ratio scheduling", 1971.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from resift.engine.pacing import Limit, Pacing
from resift.errors import ResiftError
from resift.types import Float32, TokenSequence

_PRIORITIES = 3
_AHEAD = 2
"""Batches in work at a time: one is computed, and one waits in the worker so that it need not wait for the front."""
_TURN = 8
"""Every so many batches, one is for the task that came first, whatever else there is: nobody waits for ever."""


@dataclass(eq=False, slots=True, kw_only=True)
class Task:
    """The sequences of one request. Made by `Queue.open`; only the queue changes it.

    Attributes:
        number: of its arrival.
        model, priority, expected_tokens, on_scored, on_failed: as in `Scheduler.open`.
        served: when it last got a place in a batch; when it came, before that.
        places: sequences added so far.
        waiting: its sequences in the order of arrival; those that another task's turn has taken stay until seen.
        waiting_tokens: of those that still wait.
        taken_tokens: of those that do not.
        cancelled: nobody wants its scores.
    """

    number: int
    model: str
    priority: int
    expected_tokens: int
    on_scored: Callable[[list[int], Float32], None]
    on_failed: Callable[[list[int], ResiftError], None]
    served: float
    places: int = 0
    waiting: "deque[Entry]" = field(default_factory=deque)
    waiting_tokens: int = 0
    taken_tokens: int = 0
    cancelled: bool = False
    stamp: int = 0

    @property
    def remaining(self) -> int:
        """Tokens until its end, as far as is known."""
        return max(self.waiting_tokens, self.expected_tokens - self.taken_tokens, 1)


Waiters: TypeAlias = list[tuple[Task, int, float]]
"""Who waits for a sequence: task, place in the task, prior."""


class State(Enum):
    """Where a sequence is."""

    WAITING = 0
    TAKEN = 1
    DONE = 2


@dataclass(eq=False, slots=True)
class Entry:
    """A sequence that somebody waits for; equal ones are one entry.

    Attributes:
        key: what makes it equal to others.
        sequence: what the model reads.
        waiters: who waits for it.
        losses: batches with it in which the engine was lost.
    """

    key: tuple[str, bytes, bytes | None]
    sequence: TokenSequence
    waiters: Waiters = field(default_factory=list)
    state: State = State.WAITING
    losses: int = 0

    @property
    def tokens(self) -> int:
        """The sequence's length."""
        return len(self.sequence.ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """What runs together. `alone` asks that no other batch is in work meanwhile."""

    model: str
    entries: list[Entry]
    alone: bool = False

    @property
    def tokens(self) -> int:
        """Of all its sequences."""
        return sum(entry.tokens for entry in self.entries)


class Queue:
    """Sequences of all tasks, and the order in which they run.

    Of the tasks that wait, the highest priority goes first; among equals the highest response ratio, (seconds since
    it was last served + seconds that it needs) / seconds that it needs: short ones first, but whoever waits rises.
    Every eighth batch that passes over the task that came first begins with it instead. What is left of a batch goes
    to the next tasks of the same model.

    Tasks wait in heaps by priority and size, so that picking a batch costs the same however many wait.
    """

    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing
        self._entries: dict[tuple[str, bytes, bytes | None], Entry] = {}
        self._heaps: dict[tuple[int, str, int], list[tuple[float, int, int, Task]]] = {}
        self._active: OrderedDict[int, Task] = OrderedDict()
        """Tasks that wait, those that have done so for longest first."""
        self._again: deque[Batch] = deque()
        self._tasks = 0
        self._passed = 0
        self.waiting_tokens = 0
        self.shared = 0
        """Sequences that were asked for while an equal one waited or ran."""

    def __len__(self) -> int:
        """Return the number of different sequences that wait or are in work."""
        return len(self._entries)

    def open(
        self,
        model: str,
        *,
        priority: int,
        expected_tokens: int,
        on_scored: Callable[[list[int], Float32], None],
        on_failed: Callable[[list[int], ResiftError], None],
        now: float,
    ) -> Task:
        """Make a task, which waits for nothing yet."""
        self._tasks += 1
        if expected_tokens > 0:
            self.pacing.opened(model, expected_tokens, now)
        return Task(
            number=self._tasks,
            model=model,
            priority=min(max(priority, 0), _PRIORITIES - 1),
            expected_tokens=expected_tokens,
            on_scored=on_scored,
            on_failed=on_failed,
            served=now,
        )

    def add(self, task: Task, sequences: Sequence[TokenSequence]) -> list[int]:
        """Let sequences wait for the task's turn; return their places in the task."""
        first = task.places
        if task.cancelled:
            task.places += len(sequences)
            return list(range(first, task.places))
        for sequence in sequences:
            types = None if sequence.types is None else sequence.types.tobytes()
            key = (task.model, sequence.ids.tobytes(), types)
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(key, sequence)
                self.waiting_tokens += entry.tokens
            else:
                self.shared += 1
            if entry.state is State.WAITING:
                task.waiting.append(entry)
                task.waiting_tokens += entry.tokens
            entry.waiters.append((task, task.places, sequence.prior))
            task.places += 1
        if task.waiting_tokens:
            self._active.setdefault(task.number, task)
            self._rank(task)
        return list(range(first, task.places))

    def cancel(self, task: Task) -> None:
        """Forget the task; what waits for it alone does not run."""
        task.cancelled = True
        for entry in task.waiting:
            if entry.state is State.WAITING:
                entry.waiters = [waiter for waiter in entry.waiters if waiter[0] is not task]
                if not entry.waiters:
                    self._forget(entry)
        self._rest(task)

    def take(self, now: float, *, working: Sequence[Batch] = ()) -> Batch | None:
        """Return the next batch; None when nothing waits, or should not go before a batch of `working` has ended."""
        if len(working) >= _AHEAD or any(batch.alone for batch in working):
            return None
        if self._again:
            self._drop_unwanted()
        if self._again:
            return None if self._again[0].alone and working else self._again.popleft()
        if not self._active:
            return None
        oldest = next(iter(self._active.values()))
        first = None if self._passed >= _TURN - 1 else self._best(now)
        task = first if first is not None else oldest
        limit = self.pacing.limit(task.model, now, waiting=self._short(now))
        if limit.brief and working:
            return None
        entries, served = self._gather(task, limit, now)
        self._passed = 0 if oldest in served else self._passed + 1
        return Batch(task.model, entries)

    def _gather(self, task: Task, limit: Limit, now: float) -> tuple[list[Entry], set[Task]]:
        """Fill a batch, `task` first; return it and the tasks that have a part in it."""
        entries: list[Entry] = []
        served: set[Task] = set()
        model, left = task.model, limit.tokens
        following: Task | None = task
        while following is not None and left > 0:
            before = len(entries)
            left = self._fill(following, entries, left)
            if len(entries) > before:
                following.served = now
                served.add(following)
            self._rank(following)
            following = self._best(now, model) if left > 0 else None
            if limit.brief and following is not None and following.remaining > left:
                break  # Subtle: those whose last sequence is in the batch would wait for a task that it does not end
        return entries, served

    def lost(self, batch: Batch) -> list[Entry]:
        """Run a batch again that the engine was lost with, in pieces when it happened before.

        Returns the sequences that are given up, because they lost the engine three times: they are done.
        """
        given_up = []
        for entry in batch.entries:
            entry.losses += 1
        for entry in [entry for entry in batch.entries if entry.losses > 2]:
            given_up.append(entry)
        retried = [entry for entry in batch.entries if entry.losses <= 2]
        if all(entry.losses == 1 for entry in retried):
            again = [Batch(batch.model, retried, alone=True)] if retried else []
        else:
            again = [Batch(batch.model, [entry], alone=True) for entry in retried]
        self._again.extend(again)
        return given_up

    def failed(self, batch: Batch) -> bool:
        """Run the halves of a batch that failed. False when it has none, because it is one sequence."""
        if len(batch.entries) < 2:
            return False
        middle = len(batch.entries) // 2
        halves = (batch.entries[:middle], batch.entries[middle:])
        self._again.extend(Batch(batch.model, half, batch.alone) for half in halves)
        return True

    def finish(self, entries: Sequence[Entry]) -> list[Waiters]:
        """Forget sequences whose answer is known; return who waits for each."""
        for entry in entries:
            self._finish(entry)
        return [[waiter for waiter in entry.waiters if not waiter[0].cancelled] for entry in entries]

    def clear(self) -> list[Waiters]:
        """Forget everything; return who waits for each sequence."""
        entries = list(self._entries.values())
        for entry in entries:
            for task, _, _ in entry.waiters:
                self._rest(task)
        self._again.clear()
        self._heaps.clear()
        self.waiting_tokens = 0
        return self.finish(entries)

    def _finish(self, entry: Entry) -> None:
        entry.state = State.DONE
        self._entries.pop(entry.key, None)

    def _rest(self, task: Task) -> None:
        task.waiting.clear()
        task.waiting_tokens = 0
        task.stamp += 1
        self._active.pop(task.number, None)

    def _forget(self, entry: Entry) -> None:
        self._finish(entry)
        self.waiting_tokens -= entry.tokens

    def _fill(self, task: Task, entries: list[Entry], left: int) -> int:
        """Move the task's sequences into a batch with room for `left` tokens; return the room that is left.

        That is 0 as soon as a sequence finds no room. The first one of a batch always does.
        """
        while task.waiting:
            entry = task.waiting[0]
            if entry.state is State.WAITING:
                if entries and entry.tokens > left:
                    return 0
                self._move(entry, entries)
                left -= entry.tokens
            task.waiting.popleft()
        return max(left, 0)

    def _move(self, entry: Entry, entries: list[Entry]) -> None:
        entry.state = State.TAKEN
        entries.append(entry)
        self.waiting_tokens -= entry.tokens
        for task, _, _ in entry.waiters:
            task.waiting_tokens -= entry.tokens
            task.taken_tokens += entry.tokens
            if not task.waiting_tokens:
                self._active.pop(task.number, None)

    def _rank(self, task: Task) -> None:
        """Put the task where its priority and size belong; where it stood before is found stale."""
        task.stamp += 1
        if task.waiting_tokens:
            heap = self._heaps.setdefault((task.priority, task.model, task.remaining.bit_length()), [])
            heapq.heappush(heap, (task.served, task.number, task.stamp, task))

    def _best(self, now: float, model: str | None = None) -> Task | None:
        """Return the task whose turn it is, of all or of a model's."""
        best: Task | None = None
        order = (_PRIORITIES, 0.0)
        for key, heap in list(self._heaps.items()):
            while heap and (heap[0][2] != heap[0][3].stamp or not heap[0][3].waiting_tokens):
                heapq.heappop(heap)
            if not heap:
                del self._heaps[key]
            elif model is None or key[1] == model:
                task = heap[0][3]
                needs = self.pacing.seconds(task.model, task.remaining)
                rank = (task.priority, -(now - task.served + needs) / needs)
                if rank < order:
                    best, order = task, rank
        return best

    def _short(self, now: float) -> int:
        """Return how many tasks wait, about, that are of the size of the shortest ones."""
        shortest = self.pacing.shortest(now)
        if shortest is None:
            return 0
        largest = shortest[1].bit_length() + 1
        return sum(
            len(heap) for (_, model, size), heap in self._heaps.items() if model == shortest[0] and size <= largest
        )

    def _drop_unwanted(self) -> None:
        """Leave out of the batches that run again what nobody waits for any more."""
        for _ in range(len(self._again)):
            batch = self._again.popleft()
            wanted = []
            for entry in batch.entries:
                if any(not task.cancelled for task, _, _ in entry.waiters):
                    wanted.append(entry)
                else:
                    self._finish(entry)
            if wanted:
                self._again.append(Batch(batch.model, wanted, batch.alone))

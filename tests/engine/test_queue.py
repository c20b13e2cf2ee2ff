"""The order in which sequences run, in simulated time: no threads, no clock."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resift.engine.pacing import Pacing
from resift.engine.queue import Batch, Queue, Task
from resift.types import TokenSequence
from tests.engine.simulation import fresh

POISON = 99
"""The engine is lost with every batch that holds this token; one with 98 fails."""


def sequence(*ids: int) -> TokenSequence:
    return TokenSequence(np.array(ids, np.int32))


def nothing(places: list[int], result: object) -> None:
    raise AssertionError


def open_task(queue: Queue, *, model: str = "m", priority: int = 1, tokens: int = 0, now: float = 0.0) -> Task:
    return queue.open(model, priority=priority, expected_tokens=tokens, on_scored=nothing, on_failed=nothing, now=now)


def make_queue(budget: int = 8192) -> Queue:
    """A queue that knows its engine: 1 ms a token."""
    queue = Queue(Pacing(max_batch_tokens=budget))
    for tokens in (10, 100):
        queue.pacing.measured("m", tokens, 1e-3 * tokens)
    return queue


def owners(batch: Batch | None) -> list[Task]:
    assert batch is not None
    return list(dict.fromkeys(task for entry in batch.entries for task, _, _ in entry.waiters))


class TestOrder:
    def test_short_before_long(self) -> None:
        queue = make_queue()
        long, short = (open_task(queue, tokens=tokens) for tokens in (1000, 10))
        queue.add(long, [fresh(10) for _ in range(100)])
        queue.add(short, [fresh(10)])
        assert owners(queue.take(0.01)) == [short]

    def test_who_waits_rises(self) -> None:
        """After a wait of ten times its need, the long one has a higher ratio than a short one that has just come."""
        queue = make_queue()
        long = open_task(queue, tokens=100)
        queue.add(long, [fresh(50), fresh(50)])
        short = open_task(queue, tokens=10, now=1.0)
        queue.add(short, [fresh(10)])
        assert owners(queue.take(1.001))[0] is long

    @pytest.mark.parametrize("sizes", [(10, 1000), (1000, 10)])
    def test_priority_before_size(self, sizes: tuple[int, int]) -> None:
        queue = make_queue()
        tasks = [open_task(queue, priority=priority, tokens=size) for priority, size in zip((2, 0), sizes, strict=True)]
        for task, size in zip(tasks, sizes, strict=True):
            queue.add(task, [fresh(size)])
        assert owners(queue.take(0.5))[0] is tasks[1]

    def test_a_task_keeps_its_own_order(self) -> None:
        queue = make_queue(budget=30)
        task = open_task(queue)
        queue.add(task, [fresh(10) for _ in range(9)])
        places = []
        while (batch := queue.take(0.0)) is not None:
            places += [place for entry in batch.entries for _, place, _ in entry.waiters]
        assert places == list(range(9))

    def test_a_batch_is_of_one_model(self) -> None:
        queue = make_queue()
        for model in ("m", "n", "m", "n"):
            queue.add(open_task(queue, model=model), [fresh(5)])
        batches = [queue.take(0.0), queue.take(0.0)]
        assert sorted(batch.model for batch in batches if batch) == ["m", "n"]
        assert [len(batch.entries) for batch in batches if batch] == [2, 2]
        assert queue.take(0.0) is None

    def test_a_sequence_over_the_budget_is_alone(self) -> None:
        queue = make_queue(budget=20)
        queue.add(open_task(queue), [fresh(50), fresh(10), fresh(60), fresh(10), fresh(10)])
        sizes = []
        while (batch := queue.take(0.0)) is not None:
            sizes.append([entry.tokens for entry in batch.entries])
        assert sizes == [[50], [10], [60], [10, 10]]

    def test_one_batch_ahead_but_not_while_short_tasks_come(self) -> None:
        queue = make_queue(budget=100)
        queue.add(open_task(queue, tokens=5000), [fresh(50) for _ in range(100)])
        working = [queue.take(0.0)]
        assert working[0] is not None
        second = queue.take(0.0, working=[working[0]])
        assert second is not None
        assert queue.take(0.0, working=[working[0], second]) is None
        queue.add(open_task(queue, tokens=5, now=0.1), [fresh(5)])
        assert queue.take(0.1, working=[second]) is None
        assert len(owners(queue.take(0.1))) == 1

    def test_a_short_task_does_not_wait_for_the_rest_of_a_batch(self) -> None:
        queue = make_queue(budget=100)
        long, short = (open_task(queue, tokens=tokens) for tokens in (5000, 4))
        queue.add(long, [fresh(2) for _ in range(500)])
        queue.add(short, [fresh(4)])
        assert owners(queue.take(0.001)) == [short]
        assert owners(queue.take(0.002)) == [long]

    def test_a_task_shrinks_as_it_is_served(self) -> None:
        queue = make_queue(budget=10)
        task = open_task(queue, tokens=100)
        queue.add(task, [fresh(10), fresh(10)])
        assert task.remaining == 100
        assert queue.take(0.0) is not None
        assert task.remaining == 90


class TestSharing:
    def test_equal_sequences_run_once(self) -> None:
        queue = make_queue()
        first, second = open_task(queue), open_task(queue)
        assert queue.add(first, [sequence(1, 2), sequence(3), sequence(1, 2)]) == [0, 1, 2]
        assert queue.add(second, [sequence(3)]) == [0]
        assert queue.add(second, [sequence(1, 2)]) == [1]
        assert queue.waiting_tokens == 3
        assert queue.shared == 3
        batch = queue.take(0.0)
        assert batch is not None
        assert queue.add(second, [sequence(3)]) == [2]  # in work: no other run
        assert queue.take(0.0) is None
        waiters = queue.finish(batch.entries)
        told = {(task, place) for waiting in waiters for task, place, _ in waiting}
        assert told == {(first, 0), (first, 1), (first, 2), (second, 0), (second, 1), (second, 2)}
        assert len(queue) == 0

    def test_other_types_and_other_models_are_other_sequences(self) -> None:
        queue = make_queue()
        typed = TokenSequence(np.array([1, 2], np.int32), np.array([0, 1], np.int32))
        queue.add(open_task(queue), [sequence(1, 2), typed])
        queue.add(open_task(queue, model="n"), [sequence(1, 2)])
        assert queue.shared == 0
        assert queue.waiting_tokens == 6

    def test_cancelling_one_of_two_keeps_what_both_want(self) -> None:
        queue = make_queue()
        first, second = open_task(queue), open_task(queue)
        queue.add(first, [sequence(1), sequence(2)])
        queue.add(second, [sequence(2), sequence(3)])
        queue.cancel(first)
        assert queue.waiting_tokens == 2
        batch = queue.take(0.0)
        assert batch is not None
        assert [entry.sequence.ids.tolist() for entry in batch.entries] == [[2], [3]]
        assert queue.add(first, [sequence(7)]) == [2]
        assert queue.take(0.0) is None

    def test_a_cancelled_task_is_not_told(self) -> None:
        queue = make_queue()
        task = open_task(queue)
        queue.add(task, [sequence(1)])
        batch = queue.take(0.0)
        assert batch is not None
        queue.cancel(task)
        assert queue.finish(batch.entries) == [[]]


class TestLosses:
    def test_again_as_it_was_then_one_by_one_then_given_up(self) -> None:
        queue = make_queue()
        queue.add(open_task(queue), [sequence(1), sequence(2)])
        first = queue.take(0.0)
        assert first is not None
        assert queue.lost(first) == []
        second = queue.take(0.0)
        assert second is not None
        assert second.entries == first.entries
        assert queue.lost(second) == []
        third, fourth = queue.take(0.0), queue.take(0.0)
        assert third is not None
        assert fourth is not None
        assert [third.entries, fourth.entries] == [[first.entries[0]], [first.entries[1]]]
        assert queue.lost(third) == third.entries
        queue.finish([*third.entries, *fourth.entries])
        assert len(queue) == 0

    def test_what_lost_the_engine_runs_beside_nothing_else(self) -> None:
        """Or its neighbours in work would be counted as lost with it."""
        queue = make_queue(budget=10)
        queue.add(open_task(queue), [fresh(10), fresh(10), fresh(10)])
        first = queue.take(0.0)
        assert first is not None
        second = queue.take(0.0, working=[first])
        assert second is not None
        queue.lost(first)
        assert queue.take(0.0, working=[second]) is None
        again = queue.take(0.0)
        assert again is not None
        assert again.entries == first.entries
        assert queue.take(0.0, working=[again]) is None

    def test_what_nobody_wants_any_more_does_not_run_again(self) -> None:
        queue = make_queue()
        task = open_task(queue)
        queue.add(task, [sequence(1)])
        batch = queue.take(0.0)
        assert batch is not None
        queue.lost(batch)
        queue.cancel(task)
        assert queue.take(0.0) is None
        assert len(queue) == 0


@dataclass
class Run:
    """A queue under random use, and what everybody was told."""

    queue: Queue
    tasks: list[Task] = field(default_factory=list)
    wanted: dict[Task, list[TokenSequence]] = field(default_factory=dict)
    scored: Counter[tuple[int, int]] = field(default_factory=Counter)
    failed: Counter[tuple[int, int]] = field(default_factory=Counter)
    working: list[Batch] = field(default_factory=list)
    now: float = 0.0

    def take(self) -> bool:
        self.now += 0.001
        batch = self.queue.take(self.now, working=self.working)
        if batch is None:
            return False
        assert batch.entries
        assert all(entry.key[0] == batch.model for entry in batch.entries)
        assert batch.tokens <= 12 or len(batch.entries) == 1 or batch.alone
        assert not (batch.alone and self.working)
        self.working.append(batch)
        return True

    def end(self, *, killed: bool = False) -> None:
        batch = self.working.pop(0)
        ids = {token for entry in batch.entries for token in entry.sequence.ids.tolist()}
        if killed or POISON in ids:
            for other in self.working:
                self.tell(self.failed, self.queue.lost(other))
            self.working.clear()
            self.tell(self.failed, self.queue.lost(batch))
        elif 98 in ids:
            self.tell(self.failed, [] if self.queue.failed(batch) else batch.entries)
        else:
            self.tell(self.scored, batch.entries)

    def check(self, *, spared: bool) -> None:
        """Everybody was told once of everything; `spared` says that the engine was lost by poison alone."""
        told = self.scored + self.failed
        assert all(count == 1 for count in told.values())
        for task in self.tasks:
            for place, wanted in enumerate(self.wanted[task]):
                assert task.cancelled or (task.number, place) in told
                if spared and not {98, POISON} & set(wanted.ids.tolist()):
                    assert self.failed[task.number, place] == 0
        assert len(self.queue) == self.queue.waiting_tokens == 0

    def tell(self, where: Counter[tuple[int, int]], entries) -> None:
        for entry, waiters in zip(entries, self.queue.finish(entries), strict=True):
            for task, place, _ in waiters:
                assert not task.cancelled
                assert self.wanted[task][place].ids.tolist() == entry.sequence.ids.tolist()
                where[task.number, place] += 1


tokens = st.sampled_from([1, 2, 3, 4, 5, 6, 98, POISON])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 2), st.sampled_from(["m", "n"])),
        st.tuples(st.just("add"), st.integers(0, 5), st.lists(st.lists(tokens, min_size=1, max_size=15), max_size=8)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.none()),
        st.tuples(st.just("take"), st.none(), st.none()),
        st.tuples(st.just("end"), st.none(), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(operations, st.integers(0, 3))
def test_every_sequence_is_answered_once(steps, kills: int) -> None:
    """Whatever comes, goes or is lost: scored, unless it is at fault itself (or the engine was killed often)."""
    run, ends = Run(make_queue(budget=12)), 0
    for what, first, second in steps:
        if what == "open":
            task = open_task(run.queue, priority=first, model=second, tokens=20, now=run.now)
            run.tasks.append(task)
            run.wanted[task] = []
        elif what == "take":
            run.take()
        elif what == "end" and run.working:
            run.end(killed=ends < kills)
            ends += 1
        elif run.tasks and what in ("add", "cancel"):
            task = run.tasks[first % len(run.tasks)]
            if what == "cancel":
                run.queue.cancel(task)
            else:
                sequences = [sequence(*ids) for ids in second]
                run.wanted[task] += sequences
                assert run.queue.add(task, sequences) == list(
                    range(len(run.wanted[task]) - len(sequences), len(run.wanted[task]))
                )
    while run.take() or run.working:
        if run.working:
            run.end()
    run.check(spared=kills == 0)


@settings(max_examples=50)
@given(st.integers(0, 2), st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12)), min_size=1, max_size=30))
def test_nobody_waits_for_ever(priority: int, others: list[tuple[int, int]]) -> None:
    """However many others come, and however important they are: one batch in eight is for who came first."""
    queue = make_queue(budget=12)
    victim = open_task(queue, priority=priority, tokens=120)
    queue.add(victim, [fresh(12) for _ in range(10)])
    batches = 0
    while victim.waiting_tokens:
        for other, size in others:
            queue.add(open_task(queue, priority=other, tokens=size, now=0.01 * batches), [fresh(size)])
        batch = queue.take(0.01 * batches)
        assert batch is not None
        queue.finish(batch.entries)
        batches += 1
        assert batches <= 8 * 10


def test_batches_cost_the_same_to_pick_however_many_wait() -> None:
    """Counted, not timed: tasks that are looked at for a batch."""
    looked = []

    class Watched(Pacing):
        def seconds(self, model: str, tokens: int) -> float:
            looked.append(tokens)
            return super().seconds(model, tokens)

    queue = Queue(Watched(max_batch_tokens=100))
    for i in range(3000):
        queue.add(open_task(queue, priority=i % 3, tokens=10 + i % 900, now=0.0), [fresh(10) for _ in range(5)])
    looked.clear()
    assert queue.take(1.0) is not None
    assert len(looked) < 500

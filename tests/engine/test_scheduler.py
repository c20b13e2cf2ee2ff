"""The scheduler's threads: every waiter answered, whatever the engine does."""

import itertools
import os
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resift.engine.engine import Engine
from resift.engine.process import EngineProcess
from resift.engine.scheduler import BatchReport, Scheduler
from resift.engine.worker import ModelPlan, open_backend
from resift.errors import EngineClosed, EngineError, EngineLost, InputError, ModelError, ResiftError
from resift.loading.checkpoint import load_text_side
from resift.loading.source import locate
from resift.types import Float32, PackedBatch, TokenSequence
from tests.batches import random_sequences
from tests.engine import traps
from tests.engine.fakes import BROKEN, BUG, FAIL, LOSE, Gate, Waiter, faulty, sequence, sums

pytestmark = pytest.mark.timeout(120)


def test_scores_with_priors_in_the_places_of_their_task() -> None:
    with Scheduler(sums, max_batch_tokens=4) as scheduler:
        one = Waiter(scheduler).add(sequence(1), sequence(2, 3, prior=0.5), sequence(4, types=[2], prior=-1.0))
        other = Waiter(scheduler, "n").add(sequence(1), sequence(5, 6, 7, 8, 9, 10))
        one.add(sequence(9, 9))
        assert one.wait().listed() == [1.0, 5.5, 2003.0, 18.0]
        assert other.wait().listed() == [-1.0, -45.0]
        assert scheduler.waiting_tokens == 0


def test_equal_sequences_are_run_once_for_all_tasks() -> None:
    gate = Gate()
    with Scheduler(gate, max_batch_tokens=100) as scheduler:
        first = Waiter(scheduler).add(sequence(1))
        gate.entered()
        tasks = [Waiter(scheduler).add(sequence(1, prior=0.25), sequence(2)) for _ in range(5)]
        gate.free(2)
        assert first.wait().listed() == [1.0]
        assert all(task.wait().listed() == [1.25, 2.0] for task in tasks)
        assert sorted(itertools.chain(*gate.batches)) == [1, 2]
        assert scheduler.shared == 5 + 4


def test_high_priority_goes_first() -> None:
    gate = Gate()
    with Scheduler(gate, max_batch_tokens=1) as scheduler:
        tasks = [Waiter(scheduler).add(sequence(1))]
        gate.entered()
        tasks += [Waiter(scheduler, priority=priority).add(sequence(10 + priority)) for priority in (2, 1, 0)]
        gate.free(4)
        for task in tasks:
            task.wait()
    assert gate.batches == [[1], [10], [11], [12]]


def test_what_is_cancelled_does_not_run_and_is_not_told() -> None:
    gate = Gate()
    with Scheduler(gate, max_batch_tokens=1) as scheduler:
        in_work = Waiter(scheduler).add(sequence(1))
        gate.entered()
        waiting = Waiter(scheduler).add(sequence(2), sequence(3))
        stays = Waiter(scheduler).add(sequence(4))
        scheduler.cancel(in_work.task)
        scheduler.cancel(waiting.task)
        assert scheduler.waiting_tokens == 1
        gate.free(2)
        stays.wait()
        scheduler.cancel(stays.task)
    assert gate.batches == [[1], [4]]
    assert in_work.scores == in_work.errors == waiting.scores == waiting.errors == {}


def test_a_batch_that_loses_the_engine_once_runs_again() -> None:
    losses = iter([True, False])

    def forward(model: str, batch: PackedBatch) -> Float32:
        if next(losses, False):
            raise EngineLost("gone")
        return sums(model, batch)

    reports: list[BatchReport] = []
    with Scheduler(forward, max_batch_tokens=100, on_batch=reports.append) as scheduler:
        assert Waiter(scheduler).add(sequence(1), sequence(2)).wait().listed() == [1.0, 2.0]
    assert [(type(report.error), report.sequences) for report in reports] == [(EngineLost, 2), (type(None), 2)]


@pytest.mark.parametrize(("token", "kind"), [(LOSE, EngineLost), (FAIL, InputError), (BUG, EngineError)])
def test_one_bad_sequence_harms_no_other(token: int, kind: type[ResiftError]) -> None:
    with Scheduler(faulty, max_batch_tokens=100) as scheduler:
        good = [sequence(i, i + 1) for i in range(1, 30, 3)]
        bad = Waiter(scheduler).add(*good[:5], sequence(50, token), *good[5:])
        other = Waiter(scheduler).add(*good)
        assert other.wait().listed() == [float(s.ids.sum()) for s in good]
        bad.wait()
        assert list(bad.errors) == [5]
        assert isinstance(bad.errors[5], kind)
        assert len(bad.scores) == len(good)
        assert Waiter(scheduler).add(sequence(1)).wait().listed() == [1.0]


@pytest.mark.parametrize("wrong", ["logit", "prior"])
def test_a_score_that_is_no_number_fails_alone(wrong: str) -> None:
    with Scheduler(faulty, max_batch_tokens=100) as scheduler:
        bad = sequence(BROKEN) if wrong == "logit" else sequence(5, prior=np.inf)
        task = Waiter(scheduler).add(sequence(1), bad, sequence(3)).wait()
        assert task.scores == {0: 1.0, 2: 3.0}
        assert isinstance(task.errors[1], ModelError)
        assert "not a number" in task.errors[1].message


def test_an_answer_of_the_wrong_length_is_an_error() -> None:
    with Scheduler(lambda model, batch: np.zeros(2, np.float32), max_batch_tokens=1) as scheduler:
        task = Waiter(scheduler).add(sequence(1)).wait()
    assert task.errors[0].message == "the engine gave 2 scores for 1 sequences"


def test_closing_answers_everybody() -> None:
    gate = Gate()
    scheduler = Scheduler(gate, max_batch_tokens=1)
    in_work = Waiter(scheduler).add(sequence(1))
    gate.entered()
    waiting = Waiter(scheduler).add(sequence(2), sequence(1))
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    gate.free()
    closing.join(60)
    assert in_work.wait().listed() == [1.0]
    waiting.wait()
    assert waiting.scores == {1: 1.0}
    assert isinstance(waiting.errors[0], EngineClosed)
    scheduler.close()
    with pytest.raises(EngineClosed):
        scheduler.add(waiting.task, [sequence(3)])


def test_an_engine_that_was_closed_is_not_asked_in_halves() -> None:
    asked = []

    def forward(model: str, batch: PackedBatch) -> Float32:
        asked.append(len(batch))
        raise EngineClosed("closed")

    with Scheduler(forward, max_batch_tokens=100) as scheduler:
        task = Waiter(scheduler).add(sequence(1), sequence(2), sequence(3)).wait()
    assert all(isinstance(error, EngineClosed) for error in task.errors.values())
    assert asked == [3]


def test_a_callback_that_fails_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    def broken(places: list[int], result: object) -> None:
        raise RuntimeError("a bug of the caller")

    def broken_too(report: BatchReport) -> None:
        raise RuntimeError("another bug")

    with Scheduler(sums, max_batch_tokens=100, on_batch=broken_too) as scheduler:
        task = scheduler.open("m", expected_tokens=1, on_scored=broken, on_failed=broken)
        scheduler.add(task, [sequence(1)])
        assert Waiter(scheduler).add(sequence(1)).wait().listed() == [1.0]
    assert "a bug of the caller" in caplog.text
    assert "another bug" in caplog.text


def test_a_callback_may_add_more() -> None:
    done = threading.Event()
    with Scheduler(sums, max_batch_tokens=100) as scheduler:

        def scored(places: list[int], logits: Float32) -> None:
            if places == [0]:
                scheduler.add(task, [sequence(7)])
            else:
                done.set()

        task = scheduler.open("m", expected_tokens=2, on_scored=scored, on_failed=lambda places, error: None)
        scheduler.add(task, [sequence(1)])
        assert done.wait(60)


def test_callbacks_come_one_at_a_time() -> None:
    """The first one stays inside while the second batch ends: that one's callback must wait."""
    inside: list[int] = []
    overlaps: list[bool] = []
    together = threading.Event()
    told = threading.Semaphore(0)

    def scored(places: list[int], logits: Float32) -> None:
        inside.extend(places)
        if len(inside) > 1:
            together.set()
        overlaps.append(together.wait(0.3))
        inside.clear()
        told.release()

    with Scheduler(sums, max_batch_tokens=1) as scheduler:
        task = scheduler.open("m", expected_tokens=10_000, on_scored=scored, on_failed=lambda places, error: None)
        scheduler.add(task, [sequence(1), sequence(2)])
        for _ in range(2):
            assert told.acquire(timeout=60)
    assert overlaps == [False, False]


def test_a_callback_may_cancel_another_task_of_its_batch() -> None:
    gate = Gate()
    with Scheduler(gate, max_batch_tokens=100) as scheduler:
        blocker = Waiter(scheduler).add(sequence(9))
        gate.entered()
        second = Waiter(scheduler)
        first = scheduler.open(
            "m",
            expected_tokens=1,
            on_scored=lambda places, logits: scheduler.cancel(second.task),
            on_failed=lambda places, error: None,
        )
        scheduler.add(first, [sequence(1)])
        second.add(sequence(1))
        gate.free(2)
        blocker.wait()
        gate.entered()
    assert gate.batches == [[9], [1]]
    assert second.scores == {}


def test_a_batch_that_was_sent_ahead_began_when_the_one_before_it_ended() -> None:
    times = [0.0]
    gate = Gate()
    reports: list[BatchReport] = []
    reported = threading.Semaphore(0)

    def report(batch: BatchReport) -> None:
        reports.append(batch)
        reported.release()

    with Scheduler(gate, max_batch_tokens=1, clock=lambda: times[-1], on_batch=report) as scheduler:
        Waiter(scheduler, tokens=10_000).add(sequence(1), sequence(2))
        for _ in range(2):
            gate.entered()
        for time in (5.0, 7.0):
            times.append(time)
            gate.free()
            assert reported.acquire(timeout=60)
    assert [batch.seconds for batch in reports] == [5.0, 2.0]


def test_reports_tell_what_was_run_and_how_long() -> None:
    times = itertools.count()
    reports: list[BatchReport] = []
    with Scheduler(sums, max_batch_tokens=100, clock=lambda: float(next(times)), on_batch=reports.append) as scheduler:
        assert scheduler.tokens_per_second("m") is None
        Waiter(scheduler).add(sequence(1, 2), sequence(3)).wait()
        assert scheduler.tokens_per_second("m") == pytest.approx(3.0)
    assert reports == [BatchReport("m", 2, 3, 1.0)]


tasks = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["m", "n"]),
        st.lists(st.lists(st.sampled_from([1, 2, 3, LOSE, FAIL, BUG]), min_size=1, max_size=4), max_size=6),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100)
@given(tasks, st.integers(1, 20))
def test_everybody_is_answered_rightly(wanted, budget: int) -> None:
    """Tasks of any size and priority, some of them cancelled, with sequences that break the engine."""
    with Scheduler(faulty, max_batch_tokens=budget) as scheduler:
        waiters = []
        for priority, model, sequences, cancelled in wanted:
            waiter = Waiter(scheduler, model, priority=priority).add(*[sequence(*ids) for ids in sequences])
            waiters.append((waiter, cancelled))
            if cancelled:
                scheduler.cancel(waiter.task)
        for waiter, cancelled in waiters:
            if cancelled:
                continue
            waiter.wait()
            for place, one in enumerate(waiter.wanted):
                if {LOSE, FAIL, BUG} & set(one.ids.tolist()):
                    assert place in waiter.errors
                else:
                    total = float(one.ids.sum())
                    assert waiter.scores[place] == (-total if waiter.model == "n" else total)


@pytest.mark.parametrize("death", [traps.DIE_ONCE, traps.DIE, traps.HANG_ONCE])
def test_a_worker_that_dies_costs_no_score(checkpoint: Path, tmp_path: Path, death: int) -> None:
    """A real worker that is lost amid a request, once or by one of its documents: all other logits, to the bit."""
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    plan = ModelPlan(folder=folder, spec=load_text_side(locate(folder)).spec)
    sequences = [
        TokenSequence(np.where(ids >= traps.HANG, 20, ids), prior=0.125 * i)
        for i, (ids, _) in enumerate(random_sequences(plan.spec, range(10, 90), seed=4))
    ]
    engine = Engine(open_backend(plan, 1), max_batch_tokens=512)
    fatal = sequence(0, 7, death, 2)
    with (
        EngineProcess(
            {"m": plan},
            threads=1,
            open_backend=traps.open_trap,
            patience=lambda tokens, pace: 1.0 if pace is None or death == traps.HANG_ONCE else 60.0,
        ) as process,
        Scheduler(process.forward, max_batch_tokens=512) as scheduler,
    ):
        tasks = [Waiter(scheduler).add(*sequences[i::4]) for i in range(4)]
        bad = Waiter(scheduler).add(*sequences[:10], fatal, *sequences[10:20])
        for i, task in enumerate(tasks):
            assert task.wait().listed() == engine.score(sequences[i::4]).tolist()
        bad.wait()
        if death == traps.DIE:
            assert list(bad.errors) == [10]
            assert process.restarts == 3
        else:
            assert bad.listed() == engine.score([*sequences[:10], fatal, *sequences[10:20]]).tolist()
            assert process.restarts == 1


def test_killed_again_and_again(checkpoint: Path) -> None:
    plan = ModelPlan(folder=checkpoint, spec=load_text_side(locate(checkpoint)).spec)
    sequences = [TokenSequence(ids) for ids, _ in random_sequences(plan.spec, [40] * 300, seed=5)]
    expected = Engine(open_backend(plan, 1), max_batch_tokens=512).score(sequences).tolist()
    restarted = threading.Semaphore(0)
    with (
        EngineProcess(
            {"m": plan}, threads=1, on_change=lambda ready: restarted.release() if ready else None
        ) as process,
        Scheduler(process.forward, max_batch_tokens=512) as scheduler,
    ):
        assert restarted.acquire(timeout=60)
        for _ in range(2):
            task = Waiter(scheduler, tokens=12_000).add(*sequences)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            assert task.wait().listed() == expected
            assert restarted.acquire(timeout=60)
        assert process.restarts == 2

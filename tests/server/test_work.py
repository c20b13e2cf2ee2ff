"""Requests that meet each other, that are left, that are late, and an engine that fails: everyone gets an answer."""

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from resift.errors import EngineError, ModelError
from resift.reranker import Reranker
from resift.server.cache import ScoreCache
from resift.server.errors import (
    DeadlinePassed,
    EngineFailed,
    Overloaded,
    ServeError,
    TooLarge,
    Unavailable,
    Unprocessable,
)
from resift.server.records import LOWEST, Work
from resift.server.request import Request
from resift.server.settings import Limits
from resift.types import PackedBatch, Windows
from tests.server.engines import Alarms, running, spin

QUERY = "how to boil an egg"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def pairs(count: int, name: str = "document", words: int = 5) -> list[tuple[str, str]]:
    return [(QUERY, f"{name} {i} " * words) for i in range(count)]


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", scores="sigmoid") as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """No thread outlives a test."""
    threads = set(threading.enumerate())
    yield
    left = [t.name for t in set(threading.enumerate()) - threads if t.name.startswith("resift")]
    assert not left


@pytest.fixture
def no_request_left() -> Iterator[None]:
    """No request outlives a test: looked at in some tests only, because it takes half a second."""
    yield
    gc.collect()
    assert not [item for item in gc.get_objects() if isinstance(item, Request)]


@pytest.mark.usefixtures("no_request_left")
def test_many_at_once_have_their_own_scores(checkpoint: Path, reranker: Reranker) -> None:
    async def many() -> None:
        async with running({"tiny": checkpoint}, max_batch_tokens=500) as (service, _, recorder):
            works = [pairs(1 + i % 40, f"request {i}") for i in range(64)]
            outcomes = await asyncio.gather(*(service.run(Work(pairs=work)) for work in works))
            for work, outcome in zip(works, outcomes, strict=True):
                assert [item.score for item in outcome.scored] == reranker.score(work).tolist()
            assert len(recorder.requests) == 64 and {facts["outcome"] for facts in recorder.requests} == {"ok"}
            assert max(recorder.tokens) > 0
            assert sum(len(outcome.scored) for outcome in outcomes) == len(recorder.scores)

    run(many())


def test_single_pairs_share_batches(checkpoint: Path) -> None:
    async def singles() -> None:
        async with running({"tiny": checkpoint}, clock=lambda: 0.0) as (service, engine, _):
            engine.hold()
            first = asyncio.create_task(service.run(Work(pairs=pairs(1, "first"))))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            rest = [asyncio.create_task(service.run(Work(pairs=pairs(1, f"other {i}")))) for i in range(63)]
            await spin(lambda: len(service._requests) == 64 and not service.tokenising)
            engine.release()
            await asyncio.gather(first, *rest)
            assert len(engine.batches) < 10

    run(singles())


def test_equal_pairs_in_flight_run_once(checkpoint: Path) -> None:
    async def equal() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, _):
            engine.hold()
            work = Work(pairs=pairs(20))
            tasks = [asyncio.create_task(service.run(work)) for _ in range(8)]
            await spin(lambda: len(engine.batches) > 0 and not service.tokenising)
            engine.release()
            outcomes = await asyncio.gather(*tasks)
            assert all(outcome.scored == outcomes[0].scored for outcome in outcomes)
            assert sum(sequences for _, sequences in engine.batches) == 20

    run(equal())


def test_a_cancelled_request_takes_its_work_along(checkpoint: Path, reranker: Reranker) -> None:
    async def cancelled() -> None:
        async with running({"tiny": checkpoint}, max_batch_tokens=200) as (service, engine, recorder):
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=pairs(500))))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert recorder.tokens[-1] == 0
            engine.release()
            outcome = await service.run(Work(pairs=pairs(3, "other")))
            assert [item.score for item in outcome.scored] == reranker.score(pairs(3, "other")).tolist()
            assert [facts["outcome"] for facts in recorder.requests] == ["cancelled", "ok"]
            assert sum(sequences for _, sequences in engine.batches) < 200

    run(cancelled())


@pytest.mark.usefixtures("no_request_left")
def test_cancelled_at_any_moment(checkpoint: Path, reranker: Reranker) -> None:
    async def cancelled() -> None:
        expected = reranker.score(pairs(30)).tolist()
        async with running({"tiny": checkpoint}, max_batch_tokens=300) as (service, _, recorder):
            for turns in range(60):
                task = asyncio.create_task(service.run(Work(pairs=pairs(100, f"left {turns}"))))
                other = asyncio.create_task(service.run(Work(pairs=pairs(30))))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert [item.score for item in (await other).scored] == expected
            await spin(lambda: recorder.tokens[-1] == 0)

    run(cancelled())


def test_two_want_the_same_and_one_leaves(checkpoint: Path, reranker: Reranker) -> None:
    async def leaves() -> None:
        async with running({"tiny": checkpoint}, max_batch_tokens=100) as (service, engine, _):
            engine.hold()
            one, two = (asyncio.create_task(service.run(Work(pairs=pairs(40)))) for _ in range(2))
            await spin(lambda: len(engine.batches) > 0 and not service.tokenising)
            one.cancel()
            engine.release()
            assert [item.score for item in (await two).scored] == reranker.score(pairs(40)).tolist()

    run(leaves())


def test_the_deadline_gives_the_best_order_known(checkpoint: Path, reranker: Reranker) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, max_batch_tokens=200, timer=alarms) as (service, engine, recorder):
            work = pairs(100)
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=[*work, (QUERY, None)], deadline=5.0)))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            engine.let(2)
            await asyncio.to_thread(recorder.wait_for_reports, 2)
            alarms.ring()
            outcome = await task
            assert alarms.seconds == [5.0]
            expected = reranker.score(work).tolist()
            known = [i for i in range(100) if not outcome.scored[i].pending]
            assert outcome.partial and 0 < len(known) < 100
            assert all(outcome.scored[i].score == expected[i] for i in known)
            assert all(outcome.scored[i].score == LOWEST["sigmoid"] for i in range(101) if i not in known)
            logits = reranker.with_options(scores="raw").score(work).tolist()
            best = sorted(known, key=lambda i: (-logits[i], i))
            assert outcome.order == best + [i for i in range(101) if i not in known]
            assert recorder.tokens[-1] == 0 and recorder.requests[-1]["partial"]
            engine.release()

    run(late())


def test_a_bad_document_is_not_pending(checkpoint: Path) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms, max_batch_tokens=20) as (service, engine, recorder):
            engine.hold()
            work = [(QUERY, None), (QUERY, "one"), (QUERY, "another that is longer")]
            task = asyncio.create_task(service.run(Work(pairs=work, deadline=5.0)))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            engine.let(1)
            await asyncio.to_thread(recorder.wait_for_reports, 1)
            alarms.ring()
            outcome = await task
            assert outcome.scored[0].error and not outcome.scored[0].pending
            assert [item.pending for item in outcome.scored].count(True) == 1
            engine.release()

    run(late())


def test_a_document_half_of_whose_windows_are_scored_is_pending(checkpoint: Path) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms, max_batch_tokens=1) as (service, engine, recorder):
            engine.hold()
            work = [(QUERY, "short"), (QUERY, "a much longer document " * 9)]
            windows = Windows(size=20, overlap=5)
            task = asyncio.create_task(service.run(Work(pairs=work, deadline=5.0, windows=windows)))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            engine.let(3)
            await asyncio.to_thread(recorder.wait_for_reports, 3)
            alarms.ring()
            outcome = await task
            assert [item.pending for item in outcome.scored] == [False, True]
            engine.release()

    run(late())


@pytest.mark.usefixtures("no_request_left")
def test_a_deadline_at_any_moment(checkpoint: Path, reranker: Reranker) -> None:
    """Whatever the threads are at: what is told as a score is the pair's score."""

    async def late() -> None:
        alarms = Alarms()
        work = pairs(300)
        expected = reranker.score(work).tolist()
        async with running({"tiny": checkpoint}, max_batch_tokens=300, timer=alarms) as (service, _, recorder):
            answers = []
            for turns in range(0, 400, 5):
                task = asyncio.create_task(service.run(Work(pairs=work, deadline=5.0)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if turns:
                    alarms.ring()
                    answers += await asyncio.gather(task, return_exceptions=True)
                else:
                    await task
            for answer in answers:
                if isinstance(answer, BaseException):
                    assert isinstance(answer, DeadlinePassed)
                    continue
                assert len(answer.scored) == 300 and sorted(answer.order) == list(range(300))
                assert answer.partial is any(item.pending for item in answer.scored)
                for item, score in zip(answer.scored, expected, strict=True):
                    assert item.score == (LOWEST["sigmoid"] if item.pending else score)
            assert recorder.tokens[-1] == 0

    run(late())


@pytest.mark.parametrize("deadline", [None, 5.0])
def test_nothing_known_at_the_deadline(checkpoint: Path, deadline: float | None) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms) as (service, engine, recorder):
            for turn, (ready, error) in enumerate(((True, DeadlinePassed), (False, Unavailable))):
                engine.hold()
                task = asyncio.create_task(service.run(Work(pairs=pairs(3), deadline=deadline)))
                await spin(lambda turn=turn: len(alarms.calls) > turn)
                engine.ready = ready
                alarms.ring()
                with pytest.raises(error):
                    await task
                engine.release()
            assert recorder.tokens[-1] == 0
            assert alarms.seconds == [300.0 if deadline is None else 5.0] * 2

    run(late())


def test_no_partial_answer_to_who_asked_for_none(checkpoint: Path) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms, max_batch_tokens=100) as (service, engine, recorder):
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=pairs(100))))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            engine.let(1)
            await asyncio.to_thread(recorder.wait_for_reports, 1)
            alarms.ring()
            with pytest.raises(DeadlinePassed):
                await task
            engine.release()

    run(late())


def test_the_longest_deadline_holds_for_all(checkpoint: Path) -> None:
    async def late() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms, limits=Limits(max_deadline=7)) as (service, _, _):
            for deadline in (None, 100.0, 2.0):
                await service.run(Work(pairs=pairs(1), deadline=deadline))
            assert alarms.seconds == [7, 7, 2.0] and alarms.cancelled == 3

    run(late())


def test_a_known_score_needs_no_engine(checkpoint: Path) -> None:
    async def known() -> None:
        alarms = Alarms()
        async with running({"tiny": checkpoint}, timer=alarms, cache=ScoreCache(1 << 20)) as (
            service,
            engine,
            recorder,
        ):
            before = await service.run(Work(pairs=pairs(40)))
            count = len(engine.batches)
            engine.hold()
            after = await service.run(Work(pairs=pairs(40)))
            assert len(engine.batches) == count
            assert [item.score for item in after.scored] == [item.score for item in before.scored]
            assert all(item.cached for item in after.scored) and not any(item.cached for item in before.scored)
            assert after.tokens == before.tokens and after.order == before.order
            assert recorder.caches == [(0, 40), (40, 0)]
            task = asyncio.create_task(service.run(Work(pairs=[*pairs(40), (QUERY, "new")], deadline=5)))
            await asyncio.to_thread(engine.wait_for_batch, count + 1)
            alarms.ring()
            partial = await task
            assert [item.pending for item in partial.scored] == [False] * 40 + [True]
            engine.release()

    run(known())


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_other_options_other_scores(checkpoint: Path, cache_bytes: int) -> None:
    """The cache knows what a score depends on."""

    async def known() -> None:
        with Reranker(checkpoint, truncation="longest_first", scores="raw") as raw:
            async with running({"tiny": checkpoint}, cache=ScoreCache(cache_bytes)) as (service, _, _):
                work = [*pairs(5, words=30), (QUERY, {"title": "a", "text": "b"})]
                for _ in range(2):
                    for options in (
                        {},
                        {"max_length": 40},
                        {"truncation": "flag", "max_length": 12},
                        {"windows": Windows(size=10, overlap=2)},
                        {"windows": Windows(size=10, overlap=2, aggregate="mean")},
                        {"windows": Windows(size=10, overlap=3)},
                        {"template": "{text}: {title}"},
                    ):
                        outcome = await service.run(Work(pairs=work, scores="raw", **options))
                        expected = raw.with_options(**options).score_details(work)
                        assert [(s.score, s.truncated, s.window) for s in outcome.scored] == [
                            (e.score, e.truncated, e.window) for e in expected
                        ]

    run(known())


def test_a_full_queue(checkpoint: Path) -> None:
    async def full() -> None:
        limits = Limits(max_queue_tokens=2500)
        async with running({"tiny": checkpoint}, limits=limits) as (service, engine, recorder):
            with pytest.raises(TooLarge, match="2500"):
                await service.run(Work(pairs=pairs(300)))
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=pairs(25))))
            await spin(lambda: len(engine.batches) > 0 and not service.tokenising)
            with pytest.raises(Overloaded, match="max_queue_tokens") as refused:
                await service.run(Work(pairs=pairs(60, words=6)))
            assert 1 <= refused.value.retry_after <= 60
            engine.release()
            await task
            assert recorder.tokens[-1] == 0
            await service.run(Work(pairs=pairs(30, words=6)))

    run(full())


def test_more_tokens_than_their_characters_promised(checkpoint: Path) -> None:
    async def full() -> None:
        limits = Limits(max_queue_tokens=700)
        async with running({"tiny": checkpoint}, limits=limits) as (service, _, recorder):
            work = [(QUERY, f"{i} z8q7" * 9) for i in range(12)]
            with pytest.raises(TooLarge, match="max_queue_tokens"):
                await service.run(Work(pairs=work))
            assert recorder.tokens[-1] == 0

    run(full())


def test_a_template_that_makes_more_of_the_documents_than_may_be_sent(checkpoint: Path) -> None:
    async def swollen() -> None:
        limits = Limits(max_body_bytes=10_000)
        async with running({"tiny": checkpoint}, limits=limits) as (service, _, recorder):
            work = [(QUERY, {"text": f"{i} egg " * 20}) for i in range(50)]
            with pytest.raises(TooLarge, match="max_body_bytes"):
                await service.run(Work(pairs=work, template="{text}" * 3))
            assert recorder.tokens[-1] == 0
            assert not (await service.run(Work(pairs=work, template="{text}"))).partial

    run(swollen())


def test_too_many_requests(checkpoint: Path) -> None:
    async def full() -> None:
        async with running({"tiny": checkpoint}, limits=Limits(max_requests=2)) as (service, engine, _):
            engine.hold()
            tasks = [asyncio.create_task(service.run(Work(pairs=pairs(1)))) for _ in range(2)]
            await asyncio.to_thread(engine.wait_for_batch, 1)
            with pytest.raises(Overloaded, match="max_requests"):
                await service.run(Work(pairs=pairs(1)))
            engine.release()
            await asyncio.gather(*tasks)
            await service.run(Work(pairs=pairs(1)))

    run(full())


def test_one_document_on_which_the_engine_fails(checkpoint: Path, reranker: Reranker) -> None:
    async def fails() -> None:
        work = pairs(20, words=2)
        async with running({"tiny": checkpoint}) as (service, engine, _):
            longest = max(range(20), key=lambda i: len(work[i][1]))
            work[longest] = (QUERY, "the poisonous " * 5)

            def fault(batch: PackedBatch) -> None:
                if max(batch.offsets[1:] - batch.offsets[:-1]) > 60:
                    raise ModelError("it cannot be")

            engine.fault = fault
            other = asyncio.create_task(service.run(Work(pairs=pairs(5, "neighbour", words=1))))
            outcome = await service.run(Work(pairs=work))
            expected = reranker.score(work).tolist()
            assert outcome.scored[longest].error == "it cannot be" and outcome.order[-1] == longest
            good = [i for i in range(20) if i != longest]
            assert [outcome.scored[i].score for i in good] == [expected[i] for i in good]
            assert not any(item.error for item in (await other).scored)
            with pytest.raises(EngineFailed, match="it cannot be"):
                await service.run(Work(pairs=work, strict=True))
            with pytest.raises(EngineFailed, match="it cannot be"):
                await service.run(Work(pairs=work[longest : longest + 1]))

    run(fails())


def test_an_engine_that_breaks_on_one_request(checkpoint: Path, reranker: Reranker) -> None:
    """Not the document's own fault: its request fails as a whole, and no other."""

    async def fails() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, _):

            def fault(batch: PackedBatch) -> None:
                if max(batch.offsets[1:] - batch.offsets[:-1]) > 60:
                    raise EngineError("it broke")

            engine.fault = fault
            bad = Work(pairs=[*pairs(10, words=2), (QUERY, "the poisonous " * 5)])
            others = [pairs(5, f"neighbour {i}", words=1) for i in range(6)]
            answers = await asyncio.gather(
                service.run(bad), *(service.run(Work(pairs=work)) for work in others), return_exceptions=True
            )
            assert isinstance(answers[0], EngineFailed) and "it broke" in str(answers[0])
            for answer, work in zip(answers[1:], others, strict=True):
                assert not isinstance(answer, BaseException)
                assert [item.score for item in answer.scored] == reranker.score(work).tolist()

    run(fails())


@pytest.mark.usefixtures("no_request_left")
def test_an_engine_that_fails_on_all(checkpoint: Path) -> None:
    async def fails() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, recorder):

            def fault(batch: PackedBatch) -> None:
                raise EngineError("broken")

            engine.fault = fault
            works = [Work(pairs=pairs(10, f"request {i}")) for i in range(8)]
            answers = await asyncio.gather(*(service.run(work) for work in works), return_exceptions=True)
            assert all(isinstance(answer, EngineFailed) for answer in answers)
            assert {facts["outcome"] for facts in recorder.requests} == {"EngineFailed"}

    run(fails())


def test_drain_lets_requests_end(checkpoint: Path) -> None:
    async def drain() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, _):
            assert service.ready
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=pairs(10))))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            draining = asyncio.create_task(service.drain())
            await spin(lambda: not service.ready)
            with pytest.raises(Unavailable, match="shutting down"):
                await service.run(Work(pairs=pairs(1)))
            assert not draining.done()
            engine.release()
            await draining
            assert not (await task).partial
            await service.drain()

    run(drain())


def test_what_does_not_end_is_answered(checkpoint: Path) -> None:
    async def drain() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, recorder):
            engine.hold()
            task = asyncio.create_task(service.run(Work(pairs=pairs(10))))
            await asyncio.to_thread(engine.wait_for_batch, 1)
            await service.drain(0)
            with pytest.raises(Unavailable):
                await task
            assert recorder.tokens[-1] == 0
            engine.release()

    run(drain())


def test_close_answers_everyone(checkpoint: Path) -> None:
    async def close() -> None:
        async with running({"tiny": checkpoint}, max_batch_tokens=100) as (service, engine, _):
            engine.hold()
            tasks = [asyncio.create_task(service.run(Work(pairs=pairs(100, f"request {i}")))) for i in range(10)]
            await asyncio.to_thread(engine.wait_for_batch, 1)
            await service.close()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(answer, Unavailable) for answer in answers)
            with pytest.raises(Unavailable):
                await service.run(Work(pairs=pairs(1)))
            await service.close()

    run(close())


def test_ready_follows_the_engine(checkpoint: Path) -> None:
    async def ready() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, _):
            for state in (True, False, True):
                engine.ready = state
                assert service.ready is state

    run(ready())


class Panic(BaseException):
    """What a panic of the tokenizer, which is written in Rust, is raised as: no Exception."""


@pytest.mark.parametrize("kind", [MemoryError, Panic])
def test_a_defect_while_tokenising_is_an_answer(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    async def defect() -> None:
        async with running({"tiny": checkpoint}, cache=ScoreCache(1 << 20)) as (service, _, recorder):
            cache = service._cache  # the seam that a request meets first

            def broken(keys: object) -> None:
                raise kind(f"cannot read {QUERY}")

            monkeypatch.setattr(cache, "get_many", broken)
            for _ in range(5):  # more than there are threads
                with pytest.raises(ServeError, match=kind.__name__):
                    await service.run(Work(pairs=pairs(3)))
            monkeypatch.undo()
            assert not (await service.run(Work(pairs=pairs(3)))).partial
            assert [facts["outcome"] for facts in recorder.requests] == ["ServeError"] * 5 + ["ok"]

    run(defect())
    logged = [str(vars(record)) for record in caplog.records]
    assert "tokenising failed" in caplog.text and kind.__name__ in logged[0]
    assert not any(QUERY in line for line in logged)


def test_timings(checkpoint: Path) -> None:
    async def timings() -> None:
        ticks = iter(range(10**9))
        lock = threading.Lock()

        def clock() -> float:
            with lock:
                return next(ticks) * 1e-6

        async with running({"tiny": checkpoint}, clock=clock) as (service, _, _):
            found = (await service.run(Work(pairs=pairs(100)))).timings
            assert 0 < found.tokenization < found.total
            assert 0 < found.queue < found.total
            assert 0 < found.inference < found.total

    run(timings())


def test_nobody_starts_it(checkpoint: Path) -> None:
    from tests.server.engines import LocalEngine, make_service

    async def early() -> None:
        folders = {"tiny": checkpoint}
        service = make_service(folders, LocalEngine(folders))
        assert not service.ready
        with pytest.raises(Unavailable, match="starting"):
            await service.run(Work(pairs=pairs(1)))
        await service.close()

    run(early())


def test_a_deadline_that_is_wrong(checkpoint: Path) -> None:
    async def wrong() -> None:
        async with running({"tiny": checkpoint}) as (service, _, _):
            with pytest.raises(Unprocessable):
                await service.run(Work(pairs=pairs(1), deadline=float("inf")))

    run(wrong())

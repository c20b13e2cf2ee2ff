"""The service on a real engine process: loaded from settings, killed, and back again."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from resift.engine.process import EngineProcess
from resift.errors import DeviceError, InputError, ModelNotFound
from resift.reranker import Reranker
from resift.server.disk_cache import FILE
from resift.server.errors import DeadlinePassed, Unavailable
from resift.server.records import Work
from resift.server.service import ScoringService, open_service
from resift.server.settings import Limits, ModelSettings, Settings
from tests.server.engines import TIMEOUT, Recorder, spin

PAIRS = [("how to boil an egg", f"document {i} " * 8) for i in range(600)]


class Watcher(Recorder):
    """Notes when the engine comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[bool] = []

    def engine(self, ready: bool) -> None:
        self.states.append(ready)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(TIMEOUT):
            await work

    asyncio.run(timed())


def worker_of(service: ScoringService) -> EngineProcess:
    engine = service._engine
    assert isinstance(engine, EngineProcess)
    return engine


def settings(checkpoint: Path, **options: Any) -> Settings:
    models = (
        ModelSettings(name="tiny", model=str(checkpoint)),
        ModelSettings(name="cut", model=str(checkpoint), max_length=16),
    )
    return Settings(models=models, threads=1, cache_bytes=0, **options)


def test_models_by_name_and_a_cache_on_disk(checkpoint: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())

    async def scores() -> None:
        for known in (False, True):
            opened = await asyncio.to_thread(open_service, settings(checkpoint, cache_folder=tmp_path / "cache"))
            async with opened as service:
                assert service.ready and [card.name for card in service.models] == ["tiny", "cut"]
                for name, length in (("tiny", 128), ("cut", 16), (None, 128)):
                    with Reranker(checkpoint, truncation="longest_first", max_length=length) as reranker:
                        outcome = await service.run(Work(pairs=PAIRS[:50], model=name, scores="raw"))
                        assert [item.score for item in outcome.scored] == reranker.score(PAIRS[:50]).tolist()
                        assert outcome.info == reranker.info
                        assert outcome.scored[0].cached is (known or name is None)
            assert not service.ready
            assert (tmp_path / "cache" / FILE).stat().st_size > 0

    run(scores())
    assert not [t.name for t in set(threading.enumerate()) - before if t.name.startswith("resift")]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_worker_costs_no_answer(checkpoint: Path) -> None:
    watcher = Watcher()

    async def killed() -> None:
        with Reranker(checkpoint, truncation="longest_first", scores="sigmoid") as reranker:
            expected = reranker.score(PAIRS).tolist()
        opened = await asyncio.to_thread(open_service, settings(checkpoint, max_batch_tokens=300), observer=watcher)
        async with opened as service:
            engine = worker_of(service)
            for _ in range(2):
                count, pid = len(watcher.reports), engine.pid
                tasks = [asyncio.create_task(service.run(Work(pairs=PAIRS))) for _ in range(3)]
                await asyncio.to_thread(watcher.wait_for_reports, count + 2)
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                for outcome in await asyncio.gather(*tasks):
                    assert [item.score for item in outcome.scored] == expected
                    assert not outcome.partial and not any(item.error for item in outcome.scored)
            assert engine.restarts == 2 and service.ready
            assert [state for state in watcher.states if not state] == [False, False]
        assert watcher.tokens[-1] == 0

    run(killed())


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_an_engine_that_does_not_answer_in_time(checkpoint: Path) -> None:
    async def stopped() -> None:
        limits = Limits(max_deadline=0.2)
        async with await asyncio.to_thread(open_service, settings(checkpoint, limits=limits)) as service:
            engine = worker_of(service)
            await service.run(Work(pairs=PAIRS[:1]))
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGSTOP)
            with pytest.raises((DeadlinePassed, Unavailable)):
                await service.run(Work(pairs=PAIRS[1:3]))
            os.kill(engine.pid, signal.SIGCONT)
            await spin(lambda: service.ready)

    run(stopped())


@pytest.mark.parametrize(
    ("models", "options", "error", "named"),
    [
        ((), {}, InputError, "no model"),
        (("a", "a"), {}, InputError, "two models have the name 'a'"),
        (("a",), {"backend": "gpu"}, DeviceError, "gpu"),
        (("missing",), {}, ModelNotFound, "no folder"),
    ],
)
def test_settings_that_cannot_be(
    checkpoint: Path, models: tuple[str, ...], options: dict[str, Any], error: type[Exception], named: str
) -> None:
    before = threading.active_count()
    chosen = tuple(
        ModelSettings(name=name, model=str(checkpoint if name == "a" else checkpoint / "not" / "there"))
        for name in models
    )
    with pytest.raises(error, match=named):
        open_service(Settings(models=chosen, **options))
    assert threading.active_count() == before


@pytest.mark.parametrize("model", [{"max_length": 4000}, {"truncation": "first"}, {"template": "no field"}])
def test_model_settings_that_do_not_fit(checkpoint: Path, model: dict[str, Any]) -> None:
    before = threading.active_count()
    with pytest.raises(InputError):
        open_service(Settings(models=(ModelSettings(name="tiny", model=str(checkpoint), **model),), threads=1))
    assert threading.active_count() == before

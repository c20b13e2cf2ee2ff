"""A service around an engine in the test's own process, whose batches can be held, counted and made to fail."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from resift.engine.engine import Backend
from resift.engine.scheduler import BatchReport
from resift.engine.select import make_backend
from resift.errors import EngineClosed
from resift.loading.checkpoint import load_checkpoint, load_text_side
from resift.loading.source import locate
from resift.server.cache import ScoreCache
from resift.server.models import ServedModel, ServedModels
from resift.server.observer import Silent
from resift.server.service import ScoringService
from resift.server.settings import Limits, ModelSettings
from resift.types import Float32, PackedBatch

TIMEOUT = 60
"""Seconds after which a test that hangs fails."""


class LocalEngine:
    """Runs batches on backends of this process.

    With `hold()`, each batch waits for a `let(n)`. `fault` may raise instead of an answer.
    """

    def __init__(self, folders: Mapping[str, Path | None]) -> None:
        self.backends: dict[str, Backend] = {}
        for name, folder in folders.items():
            checkpoint = load_checkpoint(locate(folder))
            self.backends[name] = make_backend(
                checkpoint.spec, checkpoint.tensors, backend=None, device=None, precision=None, threads=1
            )
        self.ready = True
        self.pid = None
        self.batches: list[tuple[str, int]] = []
        self.fault: Callable[[PackedBatch], None] | None = None
        self._held = False
        self._closed = False
        self._permits = 0
        self._changed = threading.Condition()

    def hold(self) -> None:
        with self._changed:
            self._held, self._permits = True, 0

    def let(self, batches: int) -> None:
        with self._changed:
            self._permits += batches
            self._changed.notify_all()

    def release(self) -> None:
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def wait_for_batch(self, count: int) -> None:
        """Wait until so many batches came in all; they may be held."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.batches) >= count, TIMEOUT)

    def forward(self, model: str, batch: PackedBatch) -> Float32:
        with self._changed:
            self.batches.append((model, len(batch)))
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._held or self._permits > 0 or self._closed, TIMEOUT)
            self._permits -= 1
        if self._closed:
            raise EngineClosed("the engine was closed")
        if self.fault is not None:
            self.fault(batch)
        return self.backends[model].forward(batch)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for backend in self.backends.values():
            backend.close()


class Recorder(Silent):
    """Keeps what the service tells."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.reports: list[BatchReport] = []
        self.caches: list[tuple[int, int]] = []
        self.tokens: list[int] = [0]
        self.scores: list[float] = []
        self._changed = threading.Condition()

    def request(self, model: str, **facts: Any) -> None:
        self.requests.append({"model": model, **facts})

    def batch(self, report: BatchReport) -> None:
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def cache(self, *, hits: int, misses: int) -> None:
        self.caches.append((hits, misses))

    def queue(self, tokens: int) -> None:
        self.tokens.append(tokens)

    def score(self, model: str, logits: Float32) -> None:
        self.scores += logits.tolist()

    def wait_for_reports(self, count: int) -> None:
        """Wait until so many batches were answered, and their callbacks called."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.reports) >= count, TIMEOUT)


class Alarms:
    """A timer whose calls are due when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.seconds: list[float] = []
        self.cancelled = 0

    def __call__(self, seconds: float, call: Callable[[], None]) -> "Alarms":
        self.seconds.append(seconds)
        self.calls.append(call)
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def ring(self) -> None:
        self.calls[-1]()


def make_service(folders: Mapping[str, Path | None], engine: LocalEngine, **options: Any) -> ScoringService:
    """Build a service of the models in `folders`; options are those of ScoringService and of ModelSettings."""
    known = {"precision", "max_length", "truncation", "template"}
    model = {name: options.pop(name) for name in list(options) if name in known}
    served = []
    for name, folder in folders.items():
        backend = engine.backends[name]
        text = load_text_side(locate(folder))
        settings = ModelSettings(name=name, model=None if folder is None else str(folder), **model)
        served.append(ServedModel(settings, text, backend=(backend.name, backend.precision, backend.kernel)))
    arguments: dict[str, Any] = {"limits": Limits(), "max_batch_tokens": 8192, "cache": ScoreCache(0), **options}
    return ScoringService(ServedModels(served), engine, **arguments)


@asynccontextmanager
async def running(
    folders: Mapping[str, Path | None], **options: Any
) -> AsyncIterator[tuple[ScoringService, LocalEngine, Recorder]]:
    """Run a service for the block, which fails when it hangs; nothing may be left in its queue at the end."""
    engine, recorder = LocalEngine(folders), Recorder()
    service = make_service(folders, engine, observer=recorder, **options)
    async with asyncio.timeout(TIMEOUT), service:
        yield service, engine, recorder
    assert recorder.tokens[-1] == 0


async def spin(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds, which other threads bring about."""
    while not condition():
        await asyncio.sleep(0)

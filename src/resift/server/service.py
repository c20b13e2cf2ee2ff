"""The service: what takes `Work` in, has it tokenised and scored, and answers, whatever happens meanwhile."""

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from resift.engine.process import EngineProcess
from resift.engine.scheduler import BatchReport, Scheduler
from resift.engine.worker import ModelPlan
from resift.errors import InputError
from resift.loading.checkpoint import TextSide, load_text_side
from resift.loading.source import locate
from resift.server.admission import Admission, Rate
from resift.server.assemble import assemble, known_logits
from resift.server.cache import ScoreCache
from resift.server.calibrated import find_calibration, settled
from resift.server.disk_cache import DiskCache
from resift.server.errors import DeadlinePassed, EngineFailed, ServeError, Unavailable, Unprocessable
from resift.server.mailbox import Mailbox
from resift.server.models import ServedModel, ServedModels
from resift.server.observer import Observer, Silent
from resift.server.pairs import Survey, read_to, survey
from resift.server.records import ModelCard, Outcome, Work
from resift.server.request import PRIORITIES, Request, Shared
from resift.server.settings import Limits, ModelSettings, Settings
from resift.server.tokenising import Tokenisers
from resift.server.watch import BatchWatch
from resift.types import Float32, PackedBatch

# Most of what these threads do needs the interpreter's lock, so more of them would only wait for it.
_MOST_TOKENISERS = 4


class Alarm(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Call it off."""


Timer: TypeAlias = Callable[[float, Callable[[], None]], Alarm]
"""Makes a call some seconds later, as `loop.call_later` does."""


class Engine(Protocol):
    """The engine process, as far as the service knows it."""

    @property
    def ready(self) -> bool:
        """Whether batches are run now."""

    @property
    def pid(self) -> int | None:
        """Its process, None while there is none."""

    def forward(self, model: str, batch: PackedBatch) -> Float32:
        """Return the logit of each sequence, float32 [n]."""

    def close(self) -> None:
        """End it."""


class ScoringService:
    """Scores the pairs of many requests at a time, for one event loop.

    `start` it on the loop, or use it as `async with`. `drain` lets requests in work end, `close` ends the others.
    """

    def __init__(
        self,
        models: ServedModels,
        engine: Engine,
        *,
        limits: Limits,
        max_batch_tokens: int,
        cache: ScoreCache,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        timer: Timer | None = None,
    ) -> None:
        self._models = models
        self._engine = engine
        self._limits = limits
        self._cache = cache
        self._observer = observer if observer is not None else Silent()
        self._clock = clock
        self._timer = timer
        self._watch = BatchWatch(engine.forward, clock)
        self._rate = Rate()
        self._admission = Admission(limits, self._rate, on_change=self._observer.queue)
        self._scheduler = Scheduler(
            self._watch.forward, max_batch_tokens=max_batch_tokens, clock=clock, on_batch=self._on_batch
        )
        self._tokenisers: Tokenisers | None = None
        self._shared: Shared | None = None
        self._requests: set[Request] = set()
        self._idle = asyncio.Event()
        self._draining = False
        self._closed = False

    @property
    def models(self) -> Sequence[ModelCard]:
        """The models, the default one first."""
        return self._models.cards

    @property
    def ready(self) -> bool:
        """Whether work would be taken and run now."""
        return self._shared is not None and not self._draining and self._engine.ready

    @property
    def tokenising(self) -> int:
        """Requests of which some texts are not yet tokenised."""
        return sum(not request.read for request in self._requests)

    @property
    def engine_pid(self) -> int | None:
        """The engine's process, None while there is none."""
        return self._engine.pid

    async def start(self) -> None:
        """Begin to take work, on this loop."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._tokenisers = Tokenisers(min(cores, _MOST_TOKENISERS))
        mailbox = Mailbox(asyncio.get_running_loop())
        self._shared = Shared(self._scheduler, self._cache, mailbox, self._limits, self._clock, self._watch)
        self._idle.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(self, work: Work) -> Outcome:
        """Score the pairs; raises errors of `server/errors.py`. Cancelling the call withdraws the rest."""
        request = self._begin(work)
        try:
            return await self._answer(request)
        finally:
            request.withdraw()
            self._requests.discard(request)
            if not self._requests:
                self._idle.set()

    async def read_to(self, work: Work) -> Sequence[int]:
        """Return how many characters of each document's text the model reads under the work's options.

        With windows that is all of them. Raises as `run` does, and Unprocessable for any pair that is none.
        """
        self._open()
        policy = self._models.find(work.model).policy(work)
        found = survey(work.pairs, policy, self._limits)
        _check_pairs(found)
        return await asyncio.to_thread(read_to, work.pairs, policy, self._limits)

    async def drain(self, seconds: float | None = None) -> None:
        """Take no more work, and wait until what is in work has ended: for `drain_seconds` unless told otherwise.

        What has not ended by then is answered with Unavailable.
        """
        self._draining = True
        try:
            async with asyncio.timeout(self._limits.drain_seconds if seconds is None else seconds):
                await self._idle.wait()
        except TimeoutError:
            self._end_requests()

    async def close(self) -> None:
        """End requests in work with Unavailable, then the threads and the engine. A second call does nothing."""
        self._draining = True
        if self._closed:
            return
        self._closed = True
        self._end_requests()
        await asyncio.to_thread(self._release)

    def _open(self) -> tuple[Shared, Tokenisers]:
        """Return what work needs; raises Unavailable before the start and after the end."""
        if self._shared is None or self._tokenisers is None or self._draining:
            raise Unavailable("the server is shutting down" if self._draining else "the server is starting")
        return self._shared, self._tokenisers

    def _begin(self, work: Work) -> Request:
        """Take a request in. Raises what refuses it."""
        shared, tokenisers = self._open()
        _check_options(work)
        model = self._models.find(work.model)
        policy = model.policy(work)
        found = survey(work.pairs, policy, self._limits)
        if work.strict:
            _check_pairs(found)
        ticket = self._admission.enter(sum(found.tokens))
        request = Request(work, policy, model.name, shared=shared, survey=found, ticket=ticket)
        self._requests.add(request)
        self._idle.clear()
        if len(work.pairs) > 0:
            tokenisers.submit(request, priority=request.priority)
        else:
            request.finished.set_result(True)
        return request

    async def _answer(self, request: Request) -> Outcome:
        outcome, tokens, partial = "cancelled", 0, False
        own, most = request.work.deadline, self._limits.max_deadline
        seconds = most if own is None else min(own, most)
        later = self._timer if self._timer is not None else asyncio.get_running_loop().call_later
        timer = later(seconds, request.expire)
        try:
            complete = await request.finished
            request.settle()
            logits = known_logits(request)
            if not complete and (own is None or not len(logits)):
                raise self._late(seconds)
            _check_failures(request, scored=len(logits))
            answer = assemble(request, request.timings())
            self._tell_scores(request, logits)
            outcome, tokens, partial = "ok", answer.tokens, answer.partial
        except ServeError as error:
            outcome = type(error).__name__
            raise
        else:
            return answer
        finally:
            timer.cancel()
            self._observer.request(
                request.model,
                pairs=len(request.work.pairs),
                tokens=tokens,
                outcome=outcome,
                timings=request.timings(),
                partial=partial,
            )

    def _late(self, seconds: float) -> ServeError:
        if not self._engine.ready:
            return Unavailable(
                "the engine is starting again, and did not come back in time",
                retry_after=self._rate.seconds(self._admission.tokens),
            )
        return DeadlinePassed(f"no document was scored within {seconds:g} seconds")

    def _tell_scores(self, request: Request, logits: Float32) -> None:
        hits = sum(slot.cached for slot in request.slots)
        if self._cache.enabled:
            self._observer.cache(hits=hits, misses=len(request.slots) - hits)
        self._observer.score(request.model, logits)

    def _on_batch(self, report: BatchReport) -> None:
        if report.error is None:
            self._rate.add(report.tokens, report.seconds)
        self._observer.batch(report)

    def _end_requests(self) -> None:
        for request in self._requests:
            request.fail(Unavailable("the server is shutting down"))

    def _release(self) -> None:
        if self._tokenisers is not None:
            self._tokenisers.close()
        # The engine first: a batch in work ends with it, and the scheduler waits for its batch.
        self._engine.close()
        self._scheduler.close()
        self._cache.close()


def _check_pairs(found: Survey) -> None:
    """Raise Unprocessable for the first pair that is none."""
    if found.errors:
        place, message = min(found.errors.items())
        raise Unprocessable(f"item {place}: {message}")


def _check_options(work: Work) -> None:
    if work.priority not in PRIORITIES:
        raise Unprocessable(f"priority is {work.priority!r}, expected one of {', '.join(PRIORITIES)}")
    if work.deadline is not None and not 0 < work.deadline < math.inf:
        raise Unprocessable(f"the deadline is {work.deadline!r} seconds from now, expected more than 0")


def _check_failures(request: Request, *, scored: int) -> None:
    """Raise EngineFailed when the engine failed on every document that it was asked for."""
    failed = [slot.error for slot in request.slots if slot.failed and slot.error is not None]
    if failed and not scored:
        raise EngineFailed(f"the model failed: {failed[0]}")


def open_service(settings: Settings, *, observer: Observer | None = None) -> ScoringService:
    """Load the models, start the engine's process, and return the service, which is started on an event loop.

    Blocks while models are fetched and loaded. Raises ModelError, DeviceError or InputError, as `Reranker` does.
    """
    watcher = observer if observer is not None else Silent()
    texts = _texts(settings)
    cache = _cache(settings)
    calibrations = {one.name: find_calibration(one, texts[one.name].source.folder) for one in settings.models}
    models = [settled(one, calibrations[one.name]) for one in settings.models]
    plans = {model.name: _plan(model, texts[model.name], settings) for model in models}
    with contextlib.ExitStack() as undo:
        undo.callback(cache.close)
        engine = undo.enter_context(EngineProcess(plans, threads=settings.threads, on_change=watcher.engine))
        served = [
            ServedModel(
                model,
                texts[model.name],
                backend=engine.backend_info(model.name),
                calibration=calibrations[model.name],
            )
            for model in models
        ]
        service = ScoringService(
            ServedModels(served),
            engine,
            limits=settings.limits,
            max_batch_tokens=settings.max_batch_tokens,
            cache=cache,
            observer=watcher,
        )
        undo.pop_all()
        return service


def _cache(settings: Settings) -> ScoreCache:
    folder, most = settings.cache_folder, settings.cache_folder_bytes
    return ScoreCache(settings.cache_bytes, store=DiskCache(folder, most) if folder is not None and most else None)


def _texts(settings: Settings) -> Mapping[str, TextSide]:
    if not settings.models:
        raise InputError("there is no model to serve, expected at least one")
    texts: dict[str, TextSide] = {}
    for model in settings.models:
        if model.name in texts:
            raise InputError(f"two models have the name {model.name!r}", hint="give each model a name of its own")
        source = locate(model.model, revision=model.revision, cache_dir=settings.cache_dir)
        texts[model.name] = load_text_side(source)
    return texts


def _plan(model: ModelSettings, text: TextSide, settings: Settings) -> ModelPlan:
    return ModelPlan(
        folder=text.source.folder,
        spec=text.spec,
        stored=text.precision,
        precision=model.precision,
        backend=settings.backend,
        device=settings.device,
    )

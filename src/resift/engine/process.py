"""The worker process as the front sees it: started, asked, watched, and started again when it is lost."""

import contextlib
import json
import logging
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeAlias

from resift.closing import Closing
from resift.engine.wire import Answer, Kind, Question, read_answer, write_question
from resift.engine.worker import Job, ModelPlan, OpenBackend, open_backend
from resift.errors import EngineClosed, EngineLost, ResiftError
from resift.types import Float32, PackedBatch, Precision

Info: TypeAlias = tuple[str, Precision, str]
"""Backend, precision and kernel of a model."""

_logger = logging.getLogger("resift")
# Subtle: the path comes first, because the pickles after it name modules that are found by it. `-P` keeps the current
# folder out of the path before that.
_START = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from resift.engine.worker import main
main()
"""
_DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before a start: after the first loss, after the second one without a batch between ..."""


def patience(tokens: int, pace: float | None) -> float:
    """Return the seconds after which so many tokens in work mean that the worker hangs.

    `pace` is the seconds that a token takes, None before any batch was answered. Generous: a machine that swaps, or
    one long sequence among short ones, is slower by far than what was measured.
    """
    return 60.0 + 30.0 * tokens * (pace if pace is not None else 1 / 300)


class EngineProcess(Closing):
    """One worker process that holds the weights of all models; it is started again when it dies or hangs.

    Safe from many threads. Several batches may be asked for at a time: they run one after the other.

    Args:
        plans: the models by name.
        threads: of the backends; None for all cores.
        on_change: called with `ready` whenever it changes, but by `close()`; from a thread of this object. It must not
            raise.
        open_backend: how the worker loads a plan: a function of a module.
        patience: seconds that (tokens in work, seconds per token) may take before the worker counts as hung.

    Raises the worker's own error when a model cannot be loaded, EngineLost when it dies while it loads.
    """

    def __init__(
        self,
        plans: Mapping[str, ModelPlan],
        *,
        threads: int | None,
        on_change: Callable[[bool], None] | None = None,
        open_backend: OpenBackend = open_backend,
        patience: Callable[[int, float | None], float] = patience,
    ) -> None:
        self._places = {name: place for place, name in enumerate(plans)}
        self._job = pickle.dumps(sys.path) + pickle.dumps(Job(dict(plans), threads, open_backend))
        self._on_change = on_change
        self._patience = patience
        self._changed = threading.Condition()
        self._worker: _Worker | None = None
        self._ready = self._loaded = False
        self._closed = False
        self._restarts = 0
        self._infos: list[Info] = []
        self._failure: ResiftError | None = None
        self._thread = threading.Thread(target=self._supervise, name="resift-engine", daemon=True)
        self._thread.start()
        try:
            failure = self._outcome()
        except BaseException:  # Ctrl-C while it loads
            self.close()
            raise
        if failure is not None:
            self._thread.join()
            raise failure

    @property
    def ready(self) -> bool:
        """Whether a worker is there and has loaded all models."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        worker = self._worker
        return None if worker is None else worker.pid

    @property
    def restarts(self) -> int:
        """How often a lost worker was followed by another one."""
        return self._restarts

    def backend_info(self, model: str) -> Info:
        """Return the name of the model's backend, its precision and its kernel."""
        return self._infos[self._places[model]]

    def forward(self, model: str, batch: PackedBatch) -> Float32:
        """Return the logit of each sequence, float32 [n]; waits for a worker while there is none.

        Raises EngineLost when the worker died or hung with this batch, EngineClosed after `close()`, and what the
        worker raised.
        """
        place = self._places[model]
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._closed)
                worker = self._worker
            if worker is None or self._closed:
                raise EngineClosed("the engine was closed")
            answer = worker.ask(place, batch)
            if answer is not None:
                return answer.result()
            with self._changed:  # it was lost before the batch reached it
                self._changed.wait_for(lambda lost=worker: self._worker is not lost or self._closed)  # type: ignore[misc]

    def close(self) -> None:
        """End the worker; batches in work raise EngineClosed. A second call does nothing."""
        with self._changed:
            self._closed = True
            if self._worker is not None:
                self._worker.kill()
            self._changed.notify_all()
        self._thread.join()

    def _outcome(self) -> ResiftError | None:
        """Wait until the first worker is ready; return why it is not."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._failure is not None)
            return self._failure

    def _supervise(self) -> None:
        """Keep a worker running until the end."""
        failures = 0
        while True:
            answered, error = self._live()
            if not self._loaded:
                self._fail(error)
            if self._closed:
                return
            failures = 0 if answered else failures
            delay = _DELAYS[min(failures, len(_DELAYS) - 1)]
            failures += 1
            _logger.warning("%s; starting another in %g s", error.message, delay)
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, delay):
                    return
                self._restarts += 1

    def _live(self) -> tuple[bool, ResiftError]:
        """See a worker from its start to its end; return whether it answered any batch, and why it ended."""
        try:
            with self._changed:
                if self._closed:
                    return False, EngineClosed("the engine was closed")
                self._worker = worker = _Worker(self._patience)
        except OSError as problem:  # no memory, no more processes
            return False, EngineLost(f"the engine's process cannot be started: {problem}")
        try:
            error = self._run(worker)
        except Exception as problem:  # no more threads, an answer that makes no sense: nobody may wait for ever
            _logger.exception("the engine's process cannot be followed")
            error = EngineLost(f"the engine's process {worker.pid} was given up: {type(problem).__name__}: {problem}")
        with self._changed:
            was_ready, self._ready = self._ready, False
            self._worker = None
            self._changed.notify_all()
        worker.abandon(EngineClosed("the engine was closed") if self._closed else error)
        if was_ready:
            self._tell(ready=False)
        return worker.answered, error

    def _run(self, worker: "_Worker") -> ResiftError:
        """See a worker from its loading to its end; return why it ended."""
        first = worker.begin(self._job)
        if first is None:
            return worker.ended("while it loaded the models")
        if first.kind is Kind.ERROR:
            return first.error()
        with self._changed:
            self._infos = [tuple(info) for info in json.loads(first.content)]
            self._loaded = self._ready = True
            self._changed.notify_all()
        self._tell(ready=True)
        worker.serve()
        return worker.ended("while it worked")

    def _fail(self, error: ResiftError) -> None:
        with self._changed:
            self._failure = error
            self._closed = True
            self._changed.notify_all()

    def _tell(self, *, ready: bool) -> None:
        if self._on_change is not None and not self._closed:
            self._on_change(ready)


class _Worker:
    """One process, from its start to its end. `ask` is for any thread, the rest for the one that started it."""

    def __init__(self, patience: Callable[[int, float | None], float]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, "resift-engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # POSIX: the terminal's signals do not reach it, not even before it ignores them
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows: the same
        )
        self._patience = patience
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._open: dict[int, tuple[Future[Float32], int]] = {}  # number -> (who waits, tokens)
        self._number = 0
        self._since = 0.0
        """When the batch in work was begun."""
        self._pace: float | None = None
        self._resting = False
        self._gone = False
        self._hung = False
        self.answered = False
        """Whether any batch was."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()

    def begin(self, job: bytes) -> Answer | None:
        """Send the job and wait until the models are loaded; None when the process ends before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(job)
            self._process.stdin.flush()
        except OSError:
            return None
        return read_answer(self._process.stdout)

    def ask(self, model: int, batch: PackedBatch) -> "Future[Float32] | None":
        """Send a batch; None when the worker was gone before it had it."""
        assert self._process.stdin is not None
        future: Future[Float32] = Future()
        with self._changed:
            if self._gone:
                return None
            self._number += 1
            number = self._number
            if not self._open:
                self._since = time.monotonic()
            self._open[number] = (future, len(batch.ids))
            if self._resting:
                self._changed.notify_all()
        try:
            with self._writing:
                write_question(self._process.stdin, Question(number, model, batch))
        except (OSError, ValueError):  # a broken pipe, or closed by `abandon`: the worker never had all of it
            with self._changed:
                self._open.pop(number, None)
            return None
        return future

    def serve(self) -> None:
        """Hand out answers until the process ends."""
        assert self._process.stdout is not None
        watch = threading.Thread(target=self._watch, name="resift-engine-watch", daemon=True)
        watch.start()
        while (answer := read_answer(self._process.stdout)) is not None:
            with self._changed:
                future, tokens = self._open.pop(answer.number)
                now = time.monotonic()
                taken, self._since = now - self._since, now
                self._pace = max(taken / max(tokens, 1), 0.9 * (self._pace or 0.0))
                self.answered = True
            if answer.kind is Kind.LOGITS:
                future.set_result(answer.logits())
            else:
                future.set_exception(answer.error())
        with self._changed:
            self._gone = True
            self._changed.notify_all()
        watch.join()

    def ended(self, when: str) -> EngineLost:
        """Wait for the end of the process, and say how it ended."""
        self._process.kill()
        code = self._process.wait()
        if self._hung:
            how = "did not answer and was ended"
        elif code < 0:
            how = f"was ended by signal {-code}{' (for its memory?)' if code == -9 else ''}"
        else:
            how = f"ended with code {code}"
        return EngineLost(f"the engine's process {self.pid} {how} {when}")

    def abandon(self, error: ResiftError) -> None:
        """Give `error` to whoever still waits, and release the pipes."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()
            left, self._open = list(self._open.values()), {}
        for future, _ in left:
            future.set_exception(error)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what was not sent yet
                stream.close()

    def _watch(self) -> None:
        """Kill the process when a batch takes too long: its end is then seen as any other."""
        with self._changed:
            while not self._gone:
                if not self._open:
                    self._resting = True
                    self._changed.wait()
                    self._resting = False
                    continue
                tokens = sum(tokens for _, tokens in self._open.values())
                left = self._since + self._patience(tokens, self._pace) - time.monotonic()
                if left <= 0:
                    self._hung = True
                    self._process.kill()
                    return
                self._changed.wait(left)

"""The worker process: it holds the weights of all models, reads batches from its input, and writes logits.

Started by `process`, not by hand. It knows no texts and no tokenizers.
"""

import contextlib
import json
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, TypeAlias

from resift.engine.engine import Backend
from resift.engine.select import make_backend
from resift.engine.wire import Kind, Question, error_content, read_question, write_answer
from resift.loading.tensors import load_tensors
from resift.types import ModelSpec, Precision

_GOES_FIRST = 500
"""Of 1000, added to the share of memory by which Linux chooses what to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """How the worker loads a model. It can be pickled.

    Attributes:
        folder: of the model's files.
        spec: its shape.
        stored: the precision of a folder of `resift quantize`, None for plain weights.
        precision, backend, device: as in `Reranker`.
    """

    folder: Path
    spec: ModelSpec
    stored: Precision | None = None
    precision: str | None = None
    backend: str | None = None
    device: str | None = None


OpenBackend: TypeAlias = Callable[[ModelPlan, int | None], Backend]
"""Loads the weights of a plan for so many threads."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that the worker is told when it starts. `open_backend` is a module's function, which can be pickled."""

    plans: Mapping[str, ModelPlan]
    threads: int | None
    open_backend: OpenBackend


def open_backend(plan: ModelPlan, threads: int | None) -> Backend:
    """Load the weights and build the backend that the plan asks for. Raises ModelError or DeviceError."""
    return make_backend(
        plan.spec,
        load_tensors(plan.folder, plan.spec, stored=plan.stored),
        backend=plan.backend,
        device=plan.device,
        precision=plan.precision,
        threads=threads,
        stored=plan.stored,
    )


def main() -> None:
    """Read the job from the standard input, load its models, and answer batches until the input ends."""
    # Whoever started it ends it. The terminal sends Ctrl-C, and a service manager SIGTERM, to all processes at once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _go_first()
    # Libraries print to the standard output: theirs becomes the error output, and ours is kept apart.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    job: Job = pickle.load(questions)
    waiting: SimpleQueue[Question] = SimpleQueue()
    threading.Thread(target=_read, args=(questions, waiting), daemon=True).start()
    with contextlib.suppress(OSError):  # the front is gone: nobody reads
        _serve(job, waiting, answers)
    os._exit(0)  # without the interpreter's own end, which does not bear a thread that reads


def _go_first() -> None:
    """Tell Linux to end this process when memory is short, not the front with its connections."""
    file = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):
        file.write_text(str(min(int(file.read_text()) + _GOES_FIRST, 1000)))


def _read(questions: BinaryIO, waiting: "SimpleQueue[Question]") -> None:
    """Take in batches while others are computed. The input ends when the front closes it or dies, however it dies."""
    while (question := read_question(questions)) is not None:
        waiting.put(question)
    os._exit(0)  # at once, whatever is being computed


def _serve(job: Job, waiting: "SimpleQueue[Question]", answers: BinaryIO) -> None:
    try:
        backends = [job.open_backend(plan, job.threads) for plan in job.plans.values()]
    except Exception as error:
        write_answer(answers, 0, Kind.ERROR, _told(error))
        return
    infos = [(backend.name, backend.precision, backend.kernel) for backend in backends]
    write_answer(answers, 0, Kind.READY, json.dumps(infos).encode())
    while True:
        question = waiting.get()
        try:
            logits = backends[question.model].forward(question.batch)
        except Exception as error:
            write_answer(answers, question.number, Kind.ERROR, _told(error))
        else:
            write_answer(answers, question.number, Kind.LOGITS, logits.tobytes())


def _told(error: Exception) -> bytes:
    """Return the error for the front; show where it came from when it is not one that is raised on purpose."""
    content = error_content(error)
    if json.loads(content)[0] == "EngineError":
        traceback.print_exception(error)
    return content

"""Backends for tests of the worker process: the real one, with tokens that make it misbehave."""

import os
import signal
import sys
import threading
from pathlib import Path

from resift.engine.engine import Backend
from resift.engine.worker import ModelPlan, open_backend
from resift.errors import InputError
from resift.types import Float32, PackedBatch

HANG, HANG_ONCE, DIE, DIE_ONCE, NO_MEMORY, REFUSE = range(390, 396)
"""Token ids; those of `random_sequences` stay below when they are made for a smaller vocabulary."""
DONE_ONCE = "done-once"
"""The file in the model's folder that says so."""


class Trap:
    """A backend that does what the tokens of a batch tell it."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._backend = backend
        self._once = folder / DONE_ONCE
        self.name, self.precision, self.kernel = backend.name, backend.precision, backend.kernel

    def forward(self, batch: PackedBatch) -> Float32:
        told = set(batch.ids.tolist())
        if HANG in told or (HANG_ONCE in told and self._first()):
            print("hanging")  # shows that the standard output is not ours to break
            sys.stdout.flush()
            threading.Event().wait()
        if DIE in told or (DIE_ONCE in told and self._first()):
            os.kill(os.getpid(), signal.SIGKILL)
        if NO_MEMORY in told:
            raise MemoryError("none left")
        if REFUSE in told:
            raise InputError("that token is refused", hint="use another")
        return self._backend.forward(batch)

    def close(self) -> None:
        self._backend.close()

    def _first(self) -> bool:
        if self._once.exists():
            return False
        self._once.touch()
        return True


def open_trap(plan: ModelPlan, threads: int | None) -> Backend:
    """The real backend in a trap."""
    return Trap(open_backend(plan, threads), plan.folder)


def open_once(plan: ModelPlan, threads: int | None) -> Backend:
    """A trap that can be opened only once: later workers fail to load, until the file is removed."""
    once = plan.folder / "opened-once"
    if once.exists():
        raise InputError("opened before")
    once.touch()
    return open_trap(plan, threads)


def open_killed(plan: ModelPlan, threads: int | None) -> Backend:
    """Die while loading, as a process without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def open_modest(plan: ModelPlan, threads: int | None) -> Backend:
    """The real backend, in a process that has loaded no tokenizer and nothing of the front."""
    heavy = {"tokenizers", "huggingface_hub", "rich", "torch", "fastapi", "resift.reranker", "resift.text"}
    loaded = sorted(heavy & set(sys.modules))
    if loaded:
        raise InputError(f"the worker has imported {', '.join(loaded)}")
    return open_backend(plan, threads)


def open_broken(plan: ModelPlan, threads: int | None) -> Backend:
    """Fail with an error that nobody foresaw."""
    raise ZeroDivisionError("a bug")

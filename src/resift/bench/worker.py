"""One peer in a process of its own: commands come as JSON lines, answers go out as JSON lines.

Started by `process`, not by hand, with whatever interpreter the peer is installed in.
"""

import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from resift.bench import environment
from resift.bench.peers import PEERS, Job, Loaded, Peer

YARDSTICK = Peer("tokenising", ("resift",), ())
"""Runs by the name `tokenising`; no peer, so not in their table."""


def main(name: str, folder: str, threads: str, max_length: str) -> None:
    """Answer commands until the input ends."""
    # Libraries print to the standard output: theirs becomes the error output, and ours is kept apart.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    bind(int(threads))
    worker = Worker(PEERS.get(name, YARDSTICK), Job(Path(folder), int(threads), int(max_length)))
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "check": worker.check, "prepare": worker.prepare, "load": worker.load, "score": worker.score,
        "peak": worker.peak,
    }  # fmt: skip
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = commands[command.pop("do")](**command)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def bind(threads: int) -> None:
    """Keep the process on as many cores as it may have threads, so that no peer can take more."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, environment.one_a_core(sorted(os.sched_getaffinity(0)))[:threads])


class Worker:
    """The commands."""

    def __init__(self, peer: Peer, job: Job) -> None:
        self._peer = peer
        self._job = job
        self._loaded: Loaded | None = None

    def check(self) -> dict[str, Any]:
        """Say what is missing, and the versions of what is there."""
        missing = [name for name in self._peer.imports if not is_importable(name)]
        return {"missing": missing, "versions": environment.versions(self._peer.packages)}

    def prepare(self) -> dict[str, Any]:
        """Convert the model, for peers that need that."""
        convert = getattr(self._module(), "prepare", None)
        if convert is not None:
            convert(self._job, **self._peer.options)
        return {}

    def load(self) -> dict[str, Any]:
        """Load the model, imports included: what a user waits for."""
        start = time.perf_counter()
        self._loaded = self._module().load(self._job, **self._peer.options)
        return {"seconds": time.perf_counter() - start}

    def score(self, *, pairs: str, seconds: float, calls: int) -> dict[str, Any]:
        """Score the pairs in the file `pairs` for at least `seconds` or `calls` times, whichever comes first."""
        if self._loaded is None:
            raise RuntimeError("score before load")
        texts = [(query, document) for query, document in json.loads(Path(pairs).read_text(encoding="utf-8"))]
        taken: list[float] = []
        before = environment.clock()
        while not taken or (sum(taken) < seconds and len(taken) < calls):
            start = time.perf_counter()
            scores = self._loaded.score(texts)
            taken.append(time.perf_counter() - start)
        after = environment.clock()
        found = environment.disturbance(before, after)
        return {
            "seconds": taken,
            "scores": [float(score) for score in scores],
            "kernel": self._loaded.kernel(),
            "foreign": found.foreign,
            "steal": found.steal,
            "resident_mb": environment.resident_memory_mb(),
            "peak_mb": environment.peak_memory_mb(),
        }

    def peak(self, *, seconds: float) -> dict[str, Any]:
        """Return the operations per second that the machine does with this peer's kernel, None where it cannot tell."""
        measure = getattr(self._module(), "peak", None)
        if measure is None or self._loaded is None:
            return {"operations": None}
        return {"operations": measure(self._job, self._loaded, seconds, **self._peer.options)}

    def _module(self) -> ModuleType:
        return importlib.import_module(f"resift.bench.peers.{self._peer.module}")


def is_importable(name: str) -> bool:
    """Whether a module is installed; only its parents are imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Measure peers side by side: each in its own process, in rounds, so that noise hits all alike."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from benchmarks import environment
from benchmarks.workload import Workload

_ROOT = Path(__file__).resolve().parents[1]
_CLEAN_FOREIGN = 0.02
_CLEAN_STEAL = 0.01
# Memory of a loaded peer in sizes of its fp32 weights: some keep two copies, and activations come on top.
_COPIES = 2.5
_MEMORY_SHARE = 0.6


class PeerError(Exception):
    """A peer answered with an error, or died."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        folder: of the model.
        peers: names, see `benchmarks.peers.PEERS`.
        workloads: pairs to score.
        threads: cores for each peer.
        rounds: how often each peer has its turn.
        seconds: how long a turn lasts at least; a workload is repeated until then.
        calls: how often a workload is scored in a turn at most.
        pythons: the interpreter of each peer, where it is not this one.
    """

    folder: Path
    peers: Sequence[str]
    workloads: Sequence[Workload]
    threads: int
    rounds: int = 5
    seconds: float = 2.0
    calls: int = 50
    pythons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """One peer's turn at one workload.

    Attributes:
        seconds: of each call.
        foreign, steal: what others took of the cores meanwhile, as shares; None where the machine does not say.
    """

    seconds: list[float]
    foreign: float | None
    steal: float | None


@dataclass
class Result:
    """What a peer did.

    Attributes:
        status: `ok`, `not installed` or `failed`.
        message: what is missing or went wrong.
        versions: of its packages.
        load_seconds: of each start.
        peak_mb: the most memory it held.
        turns: by workload, one a round.
        scores: by workload.
    """

    status: str = "ok"
    message: str = ""
    versions: dict[str, str | None] = field(default_factory=dict)
    load_seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)


class Process:
    """A peer's process."""

    def __init__(self, name: str, plan: Plan) -> None:
        threads = str(plan.threads)
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        quiet = {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        self._process = subprocess.Popen(
            [plan.pythons.get(name, sys.executable), "-m", "benchmarks.worker", name, str(plan.folder), threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "RESIFT_BENCH_VERBOSE" not in os.environ else None,
            text=True,
            env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": threads},
        )

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command and wait for its answer; raises PeerError when that is an error or none comes."""
        if self._process.stdin is None or self._process.stdout is None:
            raise PeerError("the process has no pipes")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"the process ended with code {self._process.wait()}") from None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"the process ended with code {self._process.wait()} (killed for its memory?)")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process's input, and with it the process."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def measure(plan: Plan, *, keep: bool) -> dict[str, Result]:
    """Run the plan: every round gives every peer that is installed one turn at every workload.

    `keep` leaves the peers loaded between rounds.
    """
    results = {name: Result() for name in plan.peers}
    for name, result in results.items():
        _check(name, plan, result)
    able = [name for name, result in results.items() if result.status == "ok"]
    with tempfile.TemporaryDirectory() as temporary:
        files = {workload.name: Path(temporary) / f"{workload.name}.json" for workload in plan.workloads}
        for workload in plan.workloads:
            files[workload.name].write_text(json.dumps(workload.pairs), encoding="utf-8")
        kept: dict[str, Process] = {}
        try:
            for turn in range(plan.rounds):
                start = turn % max(len(able), 1)
                for name in able[start:] + able[:start]:  # another peer begins each round
                    print(f"round {turn + 1} of {plan.rounds}: {name}", file=sys.stderr)
                    process = _take_turn(name, plan, results[name], files=files, process=kept.pop(name, None))
                    if process is not None and keep:
                        kept[name] = process
                    elif process is not None:
                        process.close()
        finally:
            for process in kept.values():
                process.close()
    return results


def stays_loaded(plan: Plan) -> bool:
    """Whether all peers fit into memory together; otherwise each is loaded again for each round."""
    available = environment.memory().get("available_mb", 0)
    weights = sum(file.stat().st_size for file in plan.folder.glob("*.safetensors")) / 2**20
    return weights * _COPIES * len(plan.peers) < available * _MEMORY_SHARE


def _check(name: str, plan: Plan, result: Result) -> None:
    """Find out whether a peer is installed, and convert the model for it."""
    with Process(name, plan) as process:
        try:
            found = process.ask(do="check")
            result.versions = found["versions"]
            if found["missing"]:
                result.status, result.message = "not installed", "no " + ", ".join(found["missing"])
                return
            process.ask(do="prepare")
        except PeerError as error:
            result.status, result.message = "failed", str(error)


def _take_turn(
    name: str, plan: Plan, result: Result, *, files: Mapping[str, Path], process: Process | None
) -> Process | None:
    """Let a peer score every workload; returns its process, None when it failed."""
    if result.status != "ok":
        return None
    try:
        if process is None:
            process = Process(name, plan)
            result.load_seconds.append(process.ask(do="load")["seconds"])
            for file in files.values():  # warm-up
                process.ask(do="score", pairs=str(file), seconds=0.0, calls=1)
        for workload, file in files.items():
            answer = process.ask(do="score", pairs=str(file), seconds=plan.seconds, calls=plan.calls)
            turn = Turn(answer["seconds"], answer["foreign"], answer["steal"])
            result.turns.setdefault(workload, []).append(turn)
            result.scores[workload] = answer["scores"]
            result.peak_mb = max(result.peak_mb, answer["peak_mb"] or 0.0)
    except PeerError as error:
        result.status, result.message = "failed", str(error)
        if process is not None:
            process.close()
        return None
    return process


def cleanliness(results: Mapping[str, Result]) -> dict[str, object]:
    """Return whether the run was left alone by other processes, and how much these took at most and on average."""
    turns = [turn for result in results.values() for taken in result.turns.values() for turn in taken]
    known = [turn for turn in turns if turn.foreign is not None and turn.steal is not None]
    if not turns or len(known) < len(turns):
        return {"clean": False, "reason": "this machine does not say who used its processor"}
    walls = [sum(turn.seconds) for turn in known]
    foreign = sum((turn.foreign or 0.0) * wall for turn, wall in zip(known, walls, strict=True)) / sum(walls)
    steal = sum((turn.steal or 0.0) * wall for turn, wall in zip(known, walls, strict=True)) / sum(walls)
    reasons = [
        f"{what} took {share:.1%} of the cores (limit {limit:.0%})"
        for what, share, limit in (("other processes", foreign, _CLEAN_FOREIGN), ("the host", steal, _CLEAN_STEAL))
        if share > limit
    ]
    return {
        "clean": not reasons,
        "reason": "; ".join(reasons),
        "foreign_share": round(foreign, 4),
        "steal_share": round(steal, 4),
        "foreign_share_worst_turn": round(max(turn.foreign or 0.0 for turn in known), 4),
    }


def ratio(ours: Sequence[Turn], theirs: Sequence[Turn]) -> float | None:
    """Return how many times faster `ours` is: the median over rounds that both took part in."""
    rounds = [
        median(b.seconds) / median(a.seconds) for a, b in zip(ours, theirs, strict=False) if a.seconds and b.seconds
    ]
    return median(rounds) if rounds else None

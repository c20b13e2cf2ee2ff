"""Measure peers side by side: each in its own process, in rounds, so that noise hits all alike."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from resift.bench import environment, isa
from resift.bench.peers import OURS, PEERS, Job
from resift.bench.process import PeerError, Process
from resift.bench.workload import Workload

TOKENISING = "tokenising"
_CLEAN_FOREIGN = 0.02
_CLEAN_STEAL = 0.01
# Memory of a loaded peer in sizes of its fp32 weights: some keep two copies, and activations come on top.
_COPIES = 2.5
_MEMORY_SHARE = 0.6
_PEAK_SECONDS = 0.2


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        folder: of the model.
        peers: names, see `resift.bench.peers.PEERS`.
        workloads: pairs to score.
        threads: cores for each peer.
        max_length: tokens of the longest sequence.
        rounds: how often each peer has its turn.
        seconds: how long a turn lasts at least; a workload is repeated until then.
        calls: how often a workload is scored in a turn at most.
        pythons: the interpreter of each peer, where it is not this one.
        folders: the folder of each peer, where it is not `folder`.
        level: the instruction set that every peer is held to, one of `isa.LEVELS`, or None.
        reference: a peer that scores every workload once, unmeasured, unless it has turns anyway.
        verbose: show what peers write.
        tell: is called with what is done next.
    """

    folder: Path
    peers: Sequence[str]
    workloads: Sequence[Workload]
    threads: int
    max_length: int = 512
    rounds: int = 5
    seconds: float = 2.0
    calls: int = 400
    pythons: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    level: str | None = None
    reference: str | None = None
    verbose: bool = False
    tell: Callable[[str], None] = lambda _: None

    def start(self, name: str) -> Process:
        """Start a peer's process."""
        knobs = PEERS[name].knobs if name in PEERS else ()
        return Process(
            name,
            Job(self.folders.get(name, self.folder), self.threads, self.max_length),
            python=self.pythons.get(name),
            variables=isa.settings(knobs, self.level) if self.level is not None else None,
            verbose=self.verbose,
        )


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
        status: `ok`, `not installed`, `not comparable` or `failed`.
        message: what is missing or went wrong.
        versions: of its packages.
        kernel: the code path that it chose, where it says so.
        load_seconds: of each start.
        resident_mb: the memory that it held after its last turn.
        peak_mb: the most memory it held.
        machine_peak: operations per second that the machine does from registers, with our kernel, in the best
            round; None for peers.
        turns: by workload, one a round.
        scores: by workload.
    """

    status: str = "ok"
    message: str = ""
    versions: dict[str, str | None] = field(default_factory=dict)
    kernel: str | None = None
    load_seconds: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    peak_mb: float = 0.0
    machine_peak: float | None = None
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Measured:
    """All that a run found.

    Attributes:
        results: by peer.
        reference: the scores of the plan's reference, by workload; empty where it has turns or could not run.
        tokenising: seconds of resift's tokenising alone, by workload.
    """

    results: dict[str, Result]
    reference: dict[str, list[float]] = field(default_factory=dict)
    tokenising: dict[str, float] = field(default_factory=dict)


def measure(plan: Plan, *, keep: bool) -> Measured:
    """Run the plan: every round gives every peer that can run one turn at every workload.

    `keep` leaves the peers loaded between rounds.
    """
    measured = Measured({name: Result() for name in plan.peers})
    results = measured.results
    for name, result in results.items():
        _check(name, plan, result)
    able = [name for name, result in results.items() if result.status == "ok"]
    with tempfile.TemporaryDirectory() as temporary:
        files = {workload.name: Path(temporary) / f"{workload.name}.json" for workload in plan.workloads}
        for workload in plan.workloads:
            files[workload.name].write_text(json.dumps(workload.pairs), encoding="utf-8")
        _take_yardsticks(plan, measured, files)
        kept: dict[str, Process] = {}
        try:
            for turn in range(plan.rounds):
                start = turn % max(len(able), 1)
                for name in able[start:] + able[:start]:  # another peer begins each round
                    plan.tell(f"round {turn + 1} of {plan.rounds}: {name}")
                    process = _take_turn(name, plan, results[name], files=files, process=kept.pop(name, None))
                    if process is not None and keep:
                        kept[name] = process
                    elif process is not None:
                        process.close()
        finally:
            for process in kept.values():
                process.close()
    return measured


def stays_loaded(plan: Plan) -> bool:
    """Whether all peers fit into memory together; otherwise each is loaded again for each round."""
    available = environment.memory().get("available_mb", 0)
    weights = sum(file.stat().st_size for file in plan.folder.glob("*.safetensors")) / 2**20
    return weights * _COPIES * len(plan.peers) < available * _MEMORY_SHARE


def _check(name: str, plan: Plan, result: Result) -> None:
    """Find out whether a peer is installed and can be compared, and convert the model for it."""
    problem = _incomparable(name, plan.level)
    if problem is not None:
        result.status, result.message = "not comparable", problem
        return
    with plan.start(name) as process:
        try:
            found = process.ask(do="check")
            result.versions = found["versions"]
            if found["missing"]:
                result.status, result.message = "not installed", "no " + ", ".join(found["missing"])
                return
            if PEERS[name].convert:
                plan.tell(f"preparing: {name}")
                process.ask(do="prepare")
        except PeerError as error:
            result.status, result.message = "failed", str(error)


def _incomparable(name: str, level: str | None) -> str | None:
    """Say why a peer cannot be compared at an instruction set."""
    peer = PEERS[name]
    if level is None or name.startswith(OURS):
        return None
    if not peer.knobs:
        return f"nothing documented holds it to {level}: its kernels look at the processor alone"
    return None if isa.has(level, peer.precision) else f"{level} has no instructions for {peer.precision}"


def _take_yardsticks(plan: Plan, measured: Measured, files: Mapping[str, Path]) -> None:
    """Measure what the figures are compared with: the reference's scores, and tokenising alone."""
    ours = [name for name in measured.results if name.startswith(OURS) and measured.results[name].status == "ok"]
    if ours:
        plan.tell("tokenising alone")
        with plan.start(TOKENISING) as process:
            for workload, answer in _score_once(process, files, seconds=plan.seconds / 2, calls=plan.calls).items():
                measured.tokenising[workload] = median(answer["seconds"])
    if plan.reference is not None and plan.reference not in measured.results:
        plan.tell(f"scores to compare with: {plan.reference}")
        try:
            with plan.start(plan.reference) as process:
                answers = _score_once(process, files, seconds=0.0, calls=1)
        except PeerError as error:
            plan.tell(f"no scores to compare with: {error}")
            return
        measured.reference |= {workload: answer["scores"] for workload, answer in answers.items()}


def _score_once(
    process: Process, files: Mapping[str, Path], *, seconds: float, calls: int
) -> dict[str, dict[str, list[float]]]:
    process.ask(do="load")
    return {
        workload: process.ask(do="score", pairs=str(file), seconds=seconds, calls=calls)
        for workload, file in files.items()
    }


def _take_turn(
    name: str, plan: Plan, result: Result, *, files: Mapping[str, Path], process: Process | None
) -> Process | None:
    """Let a peer score every workload; returns its process, None when it failed."""
    if result.status != "ok":
        return None
    try:
        if process is None:
            process = plan.start(name)
            result.load_seconds.append(process.ask(do="load")["seconds"])
            for file in files.values():  # warm-up
                process.ask(do="score", pairs=str(file), seconds=0.0, calls=1)
        if name.startswith(OURS):  # a bound: the best of all rounds, since others can only lower it
            peak = process.ask(do="peak", seconds=_PEAK_SECONDS)["operations"]
            result.machine_peak = max(peak, result.machine_peak or 0.0)
        for workload, file in files.items():
            answer = process.ask(do="score", pairs=str(file), seconds=plan.seconds, calls=plan.calls)
            turn = Turn(answer["seconds"], answer["foreign"], answer["steal"])
            result.turns.setdefault(workload, []).append(turn)
            result.scores[workload] = answer["scores"]
            result.kernel = answer["kernel"]
            result.resident_mb = answer["resident_mb"] or 0.0
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

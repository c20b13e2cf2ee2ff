"""One phase: some groups of clients against one server, and what came of it, every score checked."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resift.bench import environment
from resift.bench.environment import Clock
from resift.bench.harness import Turn
from resift.bench.serve.connection import post
from resift.bench.serve.pool import Pool
from resift.bench.serve.processes import processor_seconds
from resift.bench.serve.servers import Running, Server

_OK = 200


@dataclass(frozen=True, kw_only=True)
class Group:
    """Clients that do the same.

    Attributes:
        name: of the group.
        pools: names of the pools that their requests come from, in turns; more than once for a larger share.
        clients: of a closed loop: each sends its next request when it has the answer.
        rate: requests a second of an open loop (Poisson), whatever is answered; None for a closed one.
        pause: seconds between an answer and the next request.
        delay: seconds before the first request.
        background: whether it ends with the others, its last requests cut off.
    """

    name: str
    pools: Sequence[str]
    clients: int = 1
    rate: float | None = None
    pause: float = 0.0
    delay: float = 0.0
    background: bool = False


@dataclass
class Sent:
    """What one group of a phase was answered.

    Attributes:
        seconds: of each answered request: from when it was due until its last byte.
        pairs, tokens: of the answered requests.
        refused: requests by status other than 200.
        lost: requests without any answer, by reason.
        wrong: scores that are not those of the engine.
        checked: scores that were compared.
        largest: the largest difference of a score.
        wall: seconds from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    pairs: int = 0
    tokens: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    checked: int = 0
    largest: float = 0.0
    wall: float = 0.0


@dataclass
class Phase:
    """A phase that is over.

    Attributes:
        groups: what came back, by group.
        turn: its wall time, and who else used the processor.
        generator: the share of all cores that the generator of load used.
        server: the share that the server used.
    """

    groups: dict[str, Sent]
    turn: Turn
    generator: float
    server: float


class Bench:
    """Sends phases to servers.

    Args:
        pools: requests by name.
        scores: of the engine in process, for each request of each pool: what answers are compared with.
        tolerance: how far a score may be from the engine's; None where they need not agree.
        folder: for the files of a phase.
    """

    def __init__(
        self,
        pools: Mapping[str, Pool],
        scores: Mapping[str, Sequence[Sequence[float]]],
        *,
        tolerance: float | None,
        folder: Path,
    ) -> None:
        self._requests = [(name, i) for name, pool in pools.items() for i in range(len(pool.requests))]
        self._pools = pools
        self._scores = scores
        self._tolerance = tolerance
        self._folder = folder
        self._next: dict[str, int] = {}

    def run(self, server: Running, groups: Sequence[Group], *, seconds: float, patience: float = 600.0) -> Phase:
        """Let the groups send for `seconds` and wait for the last answers."""
        job = self._job(server, groups) | {"seconds": seconds, "patience": patience}
        job_file, result_file = self._folder / "job.json", self._folder / "result.json"
        job_file.write_text(json.dumps(job), encoding="utf-8")
        before, used = environment.clock(), processor_seconds(server.process.pid)
        command = [sys.executable, "-m", "resift.bench.serve.generator", str(job_file), str(result_file)]
        subprocess.run(command, check=True, timeout=seconds + patience + 60, env=_environment())
        after, used_after = environment.clock(), processor_seconds(server.process.pid)
        result = json.loads(result_file.read_text(encoding="utf-8"))
        answers = Path(f"{result_file}.answers").read_bytes()
        capacity = (after.wall - before.wall) * environment.usable_cores()
        turn = _turn(before, after, wall=result["wall"], own=used_after - used + result["startup"] + result["cpu"])
        sent = {group.name: Sent() for group in groups}
        for record in result["records"]:
            if "cut" not in record:
                self._count(sent[record["group"]], record, answers, server)
        return Phase(sent, turn, result["cpu"] / capacity, (used_after - used) / capacity)

    def _job(self, server: Running, groups: Sequence[Group]) -> dict[str, Any]:
        """Write the raw requests and return what the generator has to know."""
        places, at = [], 0
        wanted = {name for group in groups for name in group.pools}
        file = self._folder / "requests.bin"
        with file.open("wb") as output:
            for body, (name, i) in enumerate(self._requests):
                if name not in wanted:
                    continue
                request = self._pools[name].requests[i]
                raw = post(server.server.path, server.server.body(request.query, request.documents))
                output.write(raw)
                places.append({"body": body, "start": at, "end": at + len(raw)})
                at += len(raw)
        return {
            "host": "127.0.0.1",
            "port": server.port,
            "requests_file": str(file),
            "requests": places,
            "groups": [
                {
                    "name": group.name, "bodies": self._bodies(group), "clients": group.clients, "rate": group.rate,
                    "pause": group.pause, "delay": group.delay, "background": group.background, "seed": place,
                }
                for place, group in enumerate(groups)
            ],
        }  # fmt: skip

    def _bodies(self, group: Group) -> list[int]:
        """Return the group's requests in turns of its pools, each pool going on where it stopped in the last phase."""
        numbers: dict[str, list[int]] = {}
        for number, (name, _) in enumerate(self._requests):
            numbers.setdefault(name, []).append(number)
        rounds = max(len(numbers[name]) for name in group.pools)
        bodies = []
        for _ in range(rounds):
            for name in group.pools:
                at = self._next.get(name, 0)
                bodies.append(numbers[name][at % len(numbers[name])])
                self._next[name] = at + 1
        return bodies

    def _count(self, sent: Sent, record: Mapping[str, Any], answers: bytes, server: Running) -> None:
        sent.wall = max(sent.wall, record["end"])
        if "error" in record:
            _add(sent.lost, record["error"])
            return
        if record["status"] != _OK:
            _add(sent.refused, str(record["status"]))
            return
        name, i = self._requests[record["body"]]
        request = self._pools[name].requests[i]
        sent.seconds.append(record["end"] - record["start"])
        sent.pairs += len(request.documents)
        sent.tokens += request.tokens
        body = answers[record["from"] : record["to"]]
        check(sent, body, server.server, expected=self._scores[name][i], tolerance=self._tolerance)


def check(sent: Sent, body: bytes, server: Server, *, expected: Sequence[float], tolerance: float | None) -> None:
    """Compare every score of an answer with the engine's own: a document that is missing or doubled is wrong too."""
    count = len(expected)
    sent.checked += count
    try:
        results = server.read(body)
        found = dict(results)
        scores = np.array([found[i] for i in range(count)], dtype=np.float32)
    except (KeyError, ValueError, TypeError):
        results = []
    if len(results) != count:
        sent.wrong += count
        return
    differences = np.abs(scores - np.asarray(expected, dtype=np.float32))
    sent.largest = max(sent.largest, float(differences.max()))
    if tolerance is not None:
        sent.wrong += int((~(differences <= tolerance)).sum())


def _turn(before: Clock, after: Clock, *, wall: float, own: float) -> Turn:
    """Return who else used the processor: all but this process, the server's and the generator's."""
    known = Clock(after.wall, after.own + own, after.busy, after.steal)
    found = environment.disturbance(before, known)
    return Turn([wall], found.foreign, found.steal)


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _environment() -> dict[str, str]:
    """Return the environment in which the generator finds this package, wherever it was imported from."""
    source = str(Path(__file__).resolve().parents[3])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}

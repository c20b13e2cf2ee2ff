"""Hours of mixed load with faults against `resift serve`: no score is wrong, no request is lost, memory stays flat.

    python -m benchmarks.soak --minutes 30 --save soak.json
    python -m benchmarks.soak --minutes 2 --fault-seconds 10 --connections 2000

Requests of 1 to 1000 documents run all the time, every score is compared with that of the engine in process. Every
so often comes a fault: the worker is killed or stopped for a while, clients leave by the hundred, send garbage, read
nothing, or thousands of connections are opened. Ends with 1 when a score was wrong, a request had no answer, or memory
grew by more than `--allowed-mb-per-hour`.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu import commit
from benchmarks.serve import end_on_sigterm
from resift import Reranker, __version__
from resift.bench import environment
from resift.bench.serve.connection import Connection, Lost, post
from resift.bench.serve.phase import Sent, check
from resift.bench.serve.pool import Pool, make_pool
from resift.bench.serve.processes import resident_mb, tree
from resift.bench.serve.servers import Running
from resift.bench.tables import Table, shown
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate

KIND = "soak"
_SERVER = "resift-int8"
_SIZES = {1: 64, 10: 64, 100: 6, 1000: 1}
_CLIENTS = {1: 4, 10: 4, 100: 2, 1000: 1}
_OK = 200
_EXPECTED = {200, 424, 429, 503}
_PATIENCE = 120.0
_STOPPED_SECONDS = 3.0
_STORM = 200
_WORKER = "resift.engine.worker"


class Soak:
    """The load, the faults, and what was seen."""

    def __init__(self, server: Running, pools: dict[int, Pool], scores: dict[int, list[list[float]]]) -> None:
        self.server = server
        self.pools = pools
        self.scores = scores
        self.sent = Sent()
        self.statuses: Counter[int] = Counter()
        self.lost: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.memory: list[dict[str, float | int | None]] = []
        self.start = time.monotonic()
        self.ends = self.start
        self._chance = random.Random(1)

    async def run(self, minutes: float, *, fault_seconds: float, connections: int) -> None:
        """Send requests and faults for so long."""
        self.ends = self.start + minutes * 60
        faults: list[Callable[[], Awaitable[None]]] = [
            self._kill, self._storm, self._garbage, self._stop, self._silent, lambda: self._many(connections),
        ]  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for documents, clients in _CLIENTS.items():
                for number in range(clients):
                    tasks.create_task(self._client(documents, number))
            turn = 0
            while time.monotonic() + fault_seconds < self.ends:
                await asyncio.sleep(fault_seconds)
                fault = faults[turn % len(faults)]
                turn += 1
                await fault()

    async def _client(self, documents: int, number: int) -> None:
        pool, turn = self.pools[documents], number
        connection: Connection | None = None
        while time.monotonic() < self.ends:
            i = turn % len(pool.requests)
            turn += _CLIENTS[documents]
            request = pool.requests[i]
            raw = post(self.server.server.path, self.server.server.body(request.query, request.documents))
            try:
                if connection is None or not connection.usable:
                    connection = await Connection.open("127.0.0.1", self.server.port)
                answer = await asyncio.wait_for(connection.request(raw), _PATIENCE)
            except (Lost, OSError, TimeoutError) as error:
                self.lost[f"{type(error).__name__}: {error}"] += 1
                connection = None
                continue
            self.statuses[answer.status] += 1
            if answer.status == _OK:
                expected = self.scores[documents][i]
                check(self.sent, answer.body, self.server.server, expected=expected, tolerance=0.0)
            else:
                await asyncio.sleep(0.05)
        if connection is not None:
            connection.close()

    async def _kill(self) -> None:
        worker = self._worker()
        if worker is not None:
            self.faults["worker killed"] += 1
            os.kill(worker, signal.SIGKILL)

    async def _stop(self) -> None:
        worker = self._worker()
        if worker is not None:
            self.faults["worker stopped for a while"] += 1
            os.kill(worker, signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_SECONDS)
            os.kill(worker, signal.SIGCONT)

    async def _storm(self) -> None:
        """Send requests of 100 documents and leave at once."""
        self.faults["clients that left"] += _STORM
        for i in range(_STORM):
            query, documents = f"gone {i} {self._chance.random()}", self.pools[100].requests[0].documents
            raw = post(self.server.server.path, self.server.server.body(query, documents))
            _, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(raw)
            await asyncio.sleep(0)
            writer.transport.abort()

    async def _garbage(self) -> None:
        self.faults["connections with garbage"] += _STORM
        for _ in range(_STORM):
            _, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(self._chance.randbytes(self._chance.randrange(1, 5000)) + b"\r\n\r\n")
            await asyncio.sleep(0)
            writer.transport.abort()

    async def _silent(self) -> None:
        """Ask for large answers and read nothing; half of a request, and no more of it."""
        self.faults["clients that stall"] += 20
        request = self.pools[100].requests[0]
        body = json.dumps({"query": request.query, "documents": [f"{d} {d} {d}" for d in request.documents]}).encode()
        raw = post(self.server.server.path, body)
        writers = []
        for i in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1024)
            reader._transport.pause_reading() if i % 2 else None  # type: ignore[attr-defined]
            writer.write(raw if i % 2 else raw[: len(raw) // 2])
            writers.append(writer)
        await asyncio.sleep(5)
        for writer in writers:
            writer.transport.abort()

    async def _many(self, connections: int) -> None:
        """Open as many connections as this process may, and leave them idle for a while."""
        opened: list[Connection] = []
        try:
            for _ in range(connections):
                opened.append(await Connection.open("127.0.0.1", self.server.port))
        except OSError as error:
            self.lost[f"while opening connections: {error}"] += 1
        self.faults["idle connections"] = max(self.faults["idle connections"], len(opened))
        await asyncio.sleep(3)
        for connection in opened:
            connection.close()

    async def _watch(self) -> None:
        """Write down what the processes hold; end the run when the server is gone."""
        while time.monotonic() < self.ends:
            front, worker = self.server.process.pid, self._worker()
            if self.server.process.poll() is not None:
                raise SystemExit(f"the server ended with code {self.server.process.returncode}")
            self.memory.append(
                {
                    "second": round(time.monotonic() - self.start, 1),
                    "front_mb": resident_mb(front),
                    "worker": worker,
                    "worker_mb": resident_mb(worker) if worker is not None else None,
                }
            )
            await asyncio.sleep(1)

    def _worker(self) -> int | None:
        for process in tree(self.server.process.pid)[1:]:
            try:
                if _WORKER in Path(f"/proc/{process}/cmdline").read_text():
                    return process
            except OSError:
                continue
        return None


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return MB an hour by least squares, None of less than a minute."""
    if len(points) < 30 or points[-1][0] - points[0][0] < 60:
        return None
    seconds, megabytes = np.array(points).T
    return float(f"{np.polyfit(seconds, megabytes, 1)[0] * 3600:.3g}")


def report(soak: Soak, minutes: float) -> dict[str, object]:
    """Return what was seen. Memory's slope is that of the second half: all that is kept has been filled by then."""
    later = [point for point in soak.memory if (point["second"] or 0) > minutes * 60 / 2]
    front = [(float(point["second"] or 0), float(point["front_mb"] or 0)) for point in later]
    # A worker that was started again fills its buffers anew, so that each is looked at by itself.
    workers: dict[int, list[tuple[float, float]]] = {}
    for point in soak.memory:
        if point["worker"] is not None and point["worker_mb"]:
            workers.setdefault(int(point["worker"]), []).append(
                (float(point["second"] or 0), float(point["worker_mb"]))
            )
    longest = max(workers.values(), key=len, default=[])
    return {
        "kind": KIND,
        "model": "the built-in model",
        "resift": __version__,
        "commit": commit(),
        "environment": environment.record(),
        "minutes": minutes,
        "requests": sum(soak.statuses.values()),
        "statuses": {str(status): count for status, count in sorted(soak.statuses.items())},
        "scores_checked": soak.sent.checked,
        "scores_wrong": soak.sent.wrong,
        "lost": dict(soak.lost),
        "faults": dict(soak.faults),
        "workers": len(workers),
        "front_mb": {"first": front[0][1], "last": front[-1][1], "most": max(mb for _, mb in front)} if front else None,
        "front_mb_per_hour": slope(front),
        "worker_mb": {"last": longest[-1][1], "most": max(mb for _, mb in longest)} if longest else None,
        "worker_mb_most_of_each": [round(max(mb for _, mb in points), 1) for points in workers.values()],
        "longest_worker_mb_per_hour": slope(longest[len(longest) // 2 :]),
        "memory": soak.memory[:: max(1, len(soak.memory) // 200)],
    }


def table(found: Mapping[str, Any]) -> Table:
    """Return a report as a table of two columns."""
    front, worker = found["front_mb"] or {}, found["worker_mb"] or {}
    faults = ", ".join(f"{count} {what}" for what, count in found["faults"].items())
    statuses = ", ".join(f"{count} with {status}" for status, count in found["statuses"].items())
    rows = [
        ["duration", f"{found['minutes']:g} minutes, {found['model']}, {found['environment']['processor']}"],
        ["faults", faults],
        ["requests answered", statuses],
        ["requests without an answer", str(sum(found["lost"].values()))],
        ["scores compared", str(found["scores_checked"])],
        ["scores wrong", str(found["scores_wrong"])],
        ["front process, MB", f"{shown(front.get('first'))} half way, {shown(front.get('last'))} at the end"],
        ["front process, MB an hour", shown(found["front_mb_per_hour"])],
        ["workers", f"{found['workers']}, at most {shown(worker.get('most'))} MB"],
        ["longest worker, MB an hour", shown(found["longest_worker_mb_per_hour"])],
    ]
    return Table("soak", ["", "seen"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, show what was seen, and return 1 when something went wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fault-seconds", type=float, default=20.0, help="between faults (default: 20)")
    parser.add_argument("--connections", type=int, default=10_000, help="idle connections at a time (default: 10000)")
    parser.add_argument("--allowed-mb-per-hour", type=float, default=20.0)
    parser.add_argument("--save", metavar="FILE", type=Path)
    options = parser.parse_args(arguments)
    end_on_sigterm()
    tokenizer = load_checkpoint(locate(None)).tokenizer
    pools = {size: make_pool(tokenizer, documents=size, requests=count) for size, count in _SIZES.items()}
    with Reranker(precision="int8", scores="raw", truncation="longest_first") as engine:
        scores = {
            size: [engine.score(request.pairs).tolist() for request in pool.requests] for size, pool in pools.items()
        }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with Running(_SERVER, None, threads=environment.usable_cores(), log=log, options=_options(folder)) as server:
            server.wait(60)
            soak = Soak(server, pools, scores)
            asyncio.run(soak.run(options.minutes, fault_seconds=options.fault_seconds, connections=options.connections))
    found = report(soak, options.minutes)
    if options.save is not None:
        options.save.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "memory"}, indent=1))
    rates = [found["front_mb_per_hour"], found["longest_worker_mb_per_hour"]]
    grew = any(isinstance(rate, float) and rate > options.allowed_mb_per_hour for rate in rates)
    return int(bool(found["scores_wrong"] or found["lost"] or set(soak.statuses) - _EXPECTED or grew))


def _options(folder: str) -> list[str]:
    """Return a small score cache in memory and on disk, so that both are full long before the end."""
    return ["--cache-bytes", "200000", "--cache-folder", f"{folder}/cache", "--cache-folder-bytes", "2000000"]


if __name__ == "__main__":
    sys.exit(main())

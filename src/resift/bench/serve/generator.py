"""Send requests in closed and open loops and write down every answer: a process of its own, run by `phase.py`.

    python -m resift.bench.serve.generator JOB RESULT

JOB is a JSON file that `phase.py` writes; RESULT a JSON file, beside it RESULT.answers with the bodies of the answers.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, BinaryIO

from resift.bench.serve.connection import Connection, Lost

_Record = dict[str, Any]


class Load:
    """All groups of one phase against one server."""

    def __init__(self, job: _Record, requests: bytes, answers: BinaryIO) -> None:
        self._host: str = job["host"]
        self._port: int = job["port"]
        self._seconds: float = job["seconds"]
        self._patience: float = job["patience"]
        self._groups: list[_Record] = job["groups"]
        self._raw = {place["body"]: requests[place["start"] : place["end"]] for place in job["requests"]}
        self._answers = answers
        self._written = 0
        self._start = 0.0
        self.records: list[_Record] = []

    async def run(self) -> None:
        """Send everything; groups in the background are cut off when the others have ended."""
        self._start = time.perf_counter()
        front = [asyncio.create_task(self._group(group)) for group in self._groups if not group["background"]]
        back = [asyncio.create_task(self._group(group)) for group in self._groups if group["background"]]
        try:
            await asyncio.gather(*front)
        finally:
            for task in back:
                task.cancel()
            await asyncio.gather(*back, return_exceptions=True)

    async def _group(self, group: _Record) -> None:
        bodies = cycle(group["bodies"])
        if group["rate"] is not None:
            await self._open_loop(group, bodies)
            return
        async with asyncio.TaskGroup() as clients:
            for _ in range(group["clients"]):
                clients.create_task(self._client(group, bodies))

    async def _client(self, group: _Record, bodies: Iterator[int]) -> None:
        """Send one request after the other."""
        await asyncio.sleep(group["delay"])
        connection: Connection | None = None
        try:
            while self._now() < self._seconds:
                if connection is None or not connection.usable:
                    connection = await Connection.open(self._host, self._port)
                await self._send(connection, group["name"], next(bodies), due=self._now())
                if group["pause"]:
                    await asyncio.sleep(group["pause"])
        finally:
            if connection is not None:
                connection.close()

    async def _open_loop(self, group: _Record, bodies: Iterator[int]) -> None:
        """Send requests at random times (Poisson), whether or not others were answered; late ones count as late."""
        chance = random.Random(group["seed"])
        idle: list[Connection] = []

        async def one(body: int, due: float) -> None:
            connection = idle.pop() if idle else await Connection.open(self._host, self._port)
            if not connection.usable:
                connection = await Connection.open(self._host, self._port)
            await self._send(connection, group["name"], body, due=due)
            idle.append(connection)

        due = 0.0
        async with asyncio.TaskGroup() as running:
            while (due := due + chance.expovariate(group["rate"])) < self._seconds:
                await asyncio.sleep(max(due - self._now(), 0.0))
                running.create_task(one(next(bodies), due))
        for connection in idle:
            connection.close()

    async def _send(self, connection: Connection, group: str, body: int, *, due: float) -> None:
        record: _Record = {
            "group": group,
            "body": body,
            "start": due,
            "status": 0,
            "from": self._written,
            "to": self._written,
        }
        try:
            answer = await asyncio.wait_for(connection.request(self._raw[body]), self._patience)
        except (Lost, TimeoutError) as error:
            connection.close()
            record["error"] = f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            connection.close()
            record["cut"] = True
            raise
        else:
            record["status"] = answer.status
            self._answers.write(answer.body)
            record["from"], self._written = self._written, self._written + len(answer.body)
            record["to"] = self._written
        finally:
            record["end"] = self._now()
            self.records.append(record)

    def _now(self) -> float:
        return time.perf_counter() - self._start


def main(job_file: str, result_file: str) -> None:
    """Run a job."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    requests = Path(job["requests_file"]).read_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Path(result_file + ".answers").open("wb") as answers:
        load = Load(job, requests, answers)
        startup = time.process_time()
        asyncio.run(load.run())
        used = time.process_time() - startup
    wall = max((record["end"] for record in load.records if "cut" not in record), default=0.0)
    Path(result_file).write_text(
        json.dumps({"wall": wall, "cpu": used, "startup": startup, "records": load.records}), encoding="utf-8"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

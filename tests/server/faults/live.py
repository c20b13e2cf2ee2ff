"""A real server in processes of its own, and clients that behave badly."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from resift.bench.serve.connection import parse_answer, post
from resift.bench.serve.processes import tree
from resift.bench.serve.servers import Running

PATH = "/v1/rerank"
TIMEOUT = 60.0
_WORKER = "resift.engine.worker"
WORDS = ("river", "bank", "money", "paris", "capital", "france", "engine", "score", "query", "window", "batch", "queue")


class Live:
    """A running server of the built-in model, and what the engine in process says."""

    def __init__(self, running: Running, reranker):
        self.running = running
        self.port = running.port
        self.reranker = reranker

    @property
    def pid(self):
        return self.running.process.pid

    @property
    def worker(self):
        """The process that holds the weights, None while there is none."""
        for process in tree(self.pid)[1:]:
            try:
                if _WORKER in Path(f"/proc/{process}/cmdline").read_text():
                    return process
            except OSError:
                continue
        return None

    def kill_worker(self):
        worker = self.wait_for(lambda: self.worker, "a worker")
        os.kill(worker, signal.SIGKILL)
        return worker

    def ready(self):
        return self.running.status("/ready")

    def expected(self, query, documents):
        return self.reranker.score([(query, document) for document in documents])

    def rank(self, query, documents, **fields):
        """Return status and body of one request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)) as connection:
            body = json.dumps({"query": query, "documents": documents, "scores": "raw", **fields})
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def raw(self, data, *, half_close=False):
        """Send bytes and return what comes back until the server closes or answers; b"" when it only closes."""
        with closing(self.connect()) as connection:
            received = bytearray()
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(65536):
                    received += more
                    if parse_answer(received) is not None:
                        break
            except ConnectionError:
                pass  # closed while we sent
            return bytes(received)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def assert_well(self, name="after"):
        """The server answers, and rightly, on a new connection."""
        assert self.running.process.poll() is None, "the server is gone"
        self.wait_for(lambda: self.ready() == 200, "readiness")
        query, documents = f"capital of france {name}", texts(5, seed=len(name))
        status, body = self.rank(query, documents)
        assert status == 200, body
        assert_right(body, self.expected(query, documents))

    def sockets(self):
        """Return how many sockets the server's process holds open."""
        held = 0
        for file in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):
                held += str(file.readlink()).startswith("socket:")
        return held

    def metric(self, name):
        """Return the sum of a metric's samples."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)) as connection:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        found = [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name]
        assert found, f"no metric {name} in {sorted({line.split('{')[0].split(' ')[0] for line in lines})}"
        return sum(found)

    @staticmethod
    def wait_for(condition, what):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.01)
        raise AssertionError(f"waited {TIMEOUT:.0f} s for {what}")


class Crowd:
    """Threads that each send one request after the other, each checked, until the block ends."""

    def __init__(self, live, *, clients, documents):
        self.live = live
        self.statuses = Counter()
        self.failures = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        seeds = [(f"query {i} capital money", texts(documents, seed=i)) for i in range(clients * 2)]
        self._work = [(query, docs, live.expected(query, docs)) for query, docs in seeds]
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive(), "a client hangs: its request was never answered"

    @property
    def answered(self):
        return self.statuses.total()

    def wait_for(self, more):
        """Wait until so many more requests were answered."""
        goal = self.answered + more
        Live.wait_for(lambda: self.answered >= goal or self.failures, f"{more} more answers")

    def _run(self, number):
        turn = 0
        while not self._stop.is_set():
            query, documents, expected = self._work[number * 2 + turn % 2]
            turn += 1
            try:
                status, body = self.live.rank(query, documents)
                if status == 200:
                    assert_right(body, expected)
                with self._lock:
                    self.statuses[status] += 1
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                return


def texts(count, *, seed, words=30):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) + f" {seed} {i}" for i in range(count)]


def assert_right(body, expected):
    """Every document has the score that the engine gives it in process, to the bit."""
    results = json.loads(body)["results"]
    assert len(results) == len(expected)
    found = {result["index"]: np.float32(result["relevance_score"]) for result in results}
    assert [found[i] for i in range(len(expected))] == list(expected)
    assert sorted(range(len(expected)), key=lambda i: (-expected[i], i)) == [result["index"] for result in results]


def request(query, documents, **fields):
    """The bytes of a request."""
    return post(PATH, json.dumps({"query": query, "documents": documents, "scores": "raw", **fields}).encode())


@contextmanager
def serving(reranker, folder, *options):
    """A server with options of its own."""
    with Running("resift-int8", None, threads=2, log=folder / "server.log", options=options) as running:
        running.wait(TIMEOUT)
        yield Live(running, reranker)

"""A client and `resift serve` as users start it: keys, limits of the edge, a full queue, a restart."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import resift
from resift import Client, Reranker
from resift.errors import Overloaded, TooLarge, Unauthorized, Unavailable

pytestmark = pytest.mark.timeout(180)
TEXTS = [f"document {i} " + "with some words " * (i % 5) for i in range(200)]


@contextmanager
def serving(checkpoint: Path, *options: str) -> Iterator[str]:
    """Run `resift serve`; yields the address, and ends it with SIGTERM."""
    command = [sys.executable, "-m", "resift.cli", "serve", f"tiny={checkpoint}", "--max-length", "64"]
    command += [
        "--threads",
        "1",
        "--drain-seconds",
        "5",
        "--log-level",
        "error",
        *(() if "--port" in options else ("--port", "0")),
        *options,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RESIFT_")}
    environment["PYTHONPATH"] = str(Path(resift.__file__).parents[1])
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        address = next((m[1] for line in process.stderr if (m := re.search(r"answers at (http://\S+)", line))), None)
        assert address, f"resift serve ended with {process.wait(10)}"
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
        sys.stderr.write(rest)  # shown by pytest when a test failed
    assert process.returncode == 0


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        yield reranker


def test_keys(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("first\nsecond\n", encoding="utf-8")
    with serving(checkpoint, "--api-keys-file", str(tmp_path / "keys")) as url:
        for key in (None, "third"):
            with Client(url, api_key=key) as client, pytest.raises(Unauthorized, match="api_key") as caught:
                client.rank("q", ["a"])
            assert caught.value.status == 401
            assert caught.value.request_id
        for key in ("first", "second"):
            with Client(url, api_key=key) as client:
                assert len(client.rank("q", ["a"])) == 1
        with Client(url) as client:
            assert client.ready()


def test_a_body_that_is_too_large_is_sent_in_parts(checkpoint: Path, reranker: Reranker) -> None:
    with serving(checkpoint, "--max-body-bytes", "2000") as url, Client(url, retries=0) as client:
        assert client.rank("document 7", TEXTS) == reranker.rank("document 7", TEXTS)
        assert (
            client.score([("q", text) for text in TEXTS]).tolist()
            == reranker.score([("q", text) for text in TEXTS]).tolist()
        )
        with pytest.raises(TooLarge, match="2000"):
            client.rank("q", ["long " * 1000])


def test_a_full_server_says_when_to_come_back_and_is_asked_again(checkpoint: Path, reranker: Reranker) -> None:
    def ask(i: int) -> float | None:
        with Client(url, retries=0) as client:
            try:
                client.rank(f"query {i}", TEXTS)
            except Overloaded as error:
                return error.retry_after
        return None

    with serving(checkpoint, "--max-requests", "1", "--cache-bytes", "0") as url, ThreadPoolExecutor(8) as threads:
        refused = [seconds for seconds in threads.map(ask, range(40)) if seconds is not None]
        assert refused
        assert all(seconds >= 1 for seconds in refused)
        with Client(url, retries=100, timeout=120) as client:
            found = list(threads.map(lambda i: client.rank(f"query {i}", TEXTS), range(4)))
        assert found == [reranker.rank(f"query {i}", TEXTS) for i in range(4)]


def test_a_restart_costs_time_and_no_call(checkpoint: Path, reranker: Reranker) -> None:
    with serving(checkpoint) as url:
        port = url.rpartition(":")[2]
        with Client(url) as client:
            assert client.rank("q", TEXTS) == reranker.rank("q", TEXTS)
    with Client(url, retries=0) as impatient, pytest.raises(Unavailable):
        impatient.rank("q", TEXTS)
    with Client(url, retries=100, timeout=120) as client, ThreadPoolExecutor(1) as thread:
        call = thread.submit(client.rank, "q", TEXTS)
        with serving(checkpoint, "--port", port):
            assert call.result(timeout=120) == reranker.rank("q", TEXTS)

"""`resift serve` with the built-in model, as a user runs it."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import resift
from resift.loading.source import EMBEDDED_FOLDER
from tests.server.edges.harness import PATIENCE
from tests.server.edges.test_run import Process, _log

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    source = str(Path(resift.__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RESIFT_")}
    with subprocess.Popen(
        [sys.executable, "-m", "resift.cli", "serve", "--port", "0", "--drain-seconds", "0.1"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": source},
    ) as run:
        process = Process(run, queue.Queue(), [])
        thread = threading.Thread(target=lambda: [_log(process, line) for line in run.stderr or ()], daemon=True)
        thread.start()
        try:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.wait_for("http://"))
            assert found is not None
            process.port = int(found[1])
            yield process
        finally:
            run.kill()
            thread.join(PATIENCE)


def sample(server: Process, line: str) -> float:
    with server.connect() as client:
        text = client.get("/metrics").read().body.decode()
    found = re.search(f"^{re.escape(line)} (.+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def test_it_answers_counts_and_ends(server: Process) -> None:
    question = {"query": "how do plants breathe", "documents": ["Bread is baked.", "Leaves breathe through pores."]}
    with server.connect() as client:
        for _ in range(2):
            answer = client.post("/v1/rerank", json.dumps(question).encode()).read()
            assert answer.status == 200
            assert [result["index"] for result in answer.json()["results"]] == [1, 0]
        assert client.post("/v1/rerank", b'{"query": "\xff"}').read().status in {400, 422}
        assert client.post("/rerank", b"").read().status in {400, 422}
        assert client.get("/ready").read().status == 200
    assert sample(server, 'resift_requests_total{route="/v1/rerank",status="200"}') == 2
    assert sample(server, 'resift_scoring_total{model="embedded",outcome="ok"}') == 2
    assert sample(server, "resift_cache_misses_total") == 2
    assert sample(server, "resift_cache_hits_total") == 2
    assert sample(server, "resift_batch_sequences_sum") == 2
    assert sample(server, 'resift_stage_seconds_count{stage="inference"}') == 2
    assert sample(server, "resift_engine_ready") == 1
    if Path("/proc").is_dir():
        assert sample(server, "resift_engine_memory_bytes") > 1e6
    server.run.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    server.wait_for("stopped")
    assert "breathe" not in "".join(server.log)


def test_what_the_drain_leaves_is_told(server: Process) -> None:
    documents = [f"{place} " + "a long text about nothing in particular " * 100 for place in range(2000)]
    with server.connect() as client:
        client.post("/v1/rerank", json.dumps({"query": "q", "documents": documents}).encode())
        while sample(server, "resift_queue_tokens") == 0:
            pass
        server.run.send_signal(signal.SIGTERM)
        answer = client.read()
    assert answer.status == 503
    assert "shutting down" in answer.json()["message"]
    assert server.wait() == 0

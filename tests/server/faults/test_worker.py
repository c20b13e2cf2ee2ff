"""The engine's process dies, in several ways: no wrong score, no request without an answer, no connection lost."""

import resource
from pathlib import Path

import pytest

from tests.server.faults.live import Crowd, assert_right, serving, texts

pytestmark = pytest.mark.timeout(240)


def test_killed_under_load(live) -> None:
    first = live.worker
    with Crowd(live, clients=8, documents=60) as crowd:
        crowd.wait_for(16)
        live.kill_worker()
        live.wait_for(lambda: live.ready() == 503, "/ready to say 503")
        live.wait_for(lambda: live.ready() == 200, "/ready to say 200 again")
        crowd.wait_for(32)
    assert crowd.failures == []
    assert set(crowd.statuses) == {200}  # what was in work ran again
    assert live.worker not in (None, first)


def test_killed_again_and_again(live) -> None:
    with Crowd(live, clients=4, documents=20) as crowd:
        crowd.wait_for(4)
        for _ in range(3):
            live.kill_worker()
            live.wait_for(lambda: live.ready() == 200, "/ready")
            crowd.wait_for(8)
    assert crowd.failures == []
    assert set(crowd.statuses) <= {200, 424, 503}
    assert crowd.statuses[200] >= 20


def test_killed_while_idle(live) -> None:
    killed = live.kill_worker()
    live.wait_for(lambda: live.worker not in (None, killed), "another worker")
    live.assert_well()


def test_out_of_memory(live) -> None:
    """Held to the memory that it has, the worker fails: the request gets an error, the next one its scores."""
    worker = live.worker
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
    query, documents = "capital", texts(600, seed=1, words=200)
    expected = live.expected(query, documents)
    room = pages * resource.getpagesize()
    resource.prlimit(worker, resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    try:
        status, body = live.rank(query, documents)
    finally:
        if live.worker == worker:
            resource.prlimit(worker, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert status in (200, 424, 503)
    if status == 200:
        assert_right(body, expected)
    status, body = live.rank(query, documents)
    assert status == 200
    assert_right(body, expected)


def test_server_ends_and_takes_its_worker_along(engine, tmp_path) -> None:
    with serving(engine, tmp_path) as server:
        worker = server.worker
        server.running.process.kill()
        server.running.process.wait()
        server.wait_for(lambda: not Path(f"/proc/{worker}").exists(), "the worker to end with its server")

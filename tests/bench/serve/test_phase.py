import random
import sys
from pathlib import Path

import pytest

from resift.bench.serve import servers
from resift.bench.serve.phase import Bench, Group, Sent, check
from resift.bench.serve.pool import Pool, Request
from resift.bench.serve.servers import Running, Server, ServerError

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read in /proc"),
]
POOLS = {
    "2": Pool("2", 2, [Request(f"query {i}", ["word " * (i + 1), "word word"], 10) for i in range(4)]),
    "5": Pool("5", 5, [Request(f"many {i}", ["a " * (i + k) for k in range(5)], 50) for i in range(3)]),
}
SCORES = {
    name: [[float(len(document.split())) for document in request.documents] for request in pool.requests]
    for name, pool in POOLS.items()
}
STANDIN = Path(__file__).with_name("standin.py")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Start a stand-in that behaves as its mode says."""
    running = []

    def start(mode: str) -> Running:
        server = Server(
            command=lambda start: [str(STANDIN), str(start.port), mode],
            packages=(), path="/rerank", ready="/health", precision="fp32",
        )  # fmt: skip
        monkeypatch.setitem(servers.SERVERS, "standin", server)
        running.append(Running("standin", None, threads=1, log=tmp_path / "log"))
        running[-1].wait(30)
        return running[-1]

    yield start
    for one in running:
        one.close()


def bench(tmp_path: Path) -> Bench:
    return Bench(POOLS, SCORES, tolerance=0.0, folder=tmp_path)


def test_a_closed_loop(started, tmp_path) -> None:
    phase = bench(tmp_path).run(started("right"), [Group(name="g", pools=["2", "5"], clients=3)], seconds=0.5)
    sent = phase.groups["g"]
    assert len(sent.seconds) >= 3 and sent.lost == {} and sent.refused == {}
    assert sent.checked == sent.pairs > 0 and sent.wrong == 0 and sent.largest == 0.0
    assert sent.tokens % 10 == 0 and sent.wall > 0 and 0 < phase.generator < 1 and phase.server >= 0


def test_an_open_loop_sends_what_its_seed_says(started, tmp_path) -> None:
    phase = bench(tmp_path).run(started("right"), [Group(name="g", pools=["2"], rate=40.0)], seconds=0.5)
    chance, due, count = random.Random(0), 0.0, 0
    while (due := due + chance.expovariate(40.0)) < 0.5:
        count += 1
    assert len(phase.groups["g"].seconds) == count > 5


def test_groups_in_the_background_end_with_the_others(started, tmp_path) -> None:
    groups = [Group(name="back", pools=["5"], background=True), Group(name="front", pools=["2"], pause=0.01)]
    phase = bench(tmp_path).run(started("right"), groups, seconds=0.3)
    assert phase.groups["front"].seconds and phase.groups["back"].lost == {} == phase.groups["front"].lost


@pytest.mark.parametrize(("mode", "share"), [("one-wrong", 1), ("one-missing", 2)])
def test_wrong_scores_are_seen(started, tmp_path, mode: str, share: int) -> None:
    sent = bench(tmp_path).run(started(mode), [Group(name="g", pools=["2"])], seconds=0.2).groups["g"]
    assert sent.wrong == len(sent.seconds) * share > 0


def test_lost_and_refused_requests_are_counted(started, tmp_path) -> None:
    for mode, kind in (("lost", "lost"), ("refused", "refused")):
        sent = bench(tmp_path).run(started(mode), [Group(name="g", pools=["2"])], seconds=0.2).groups["g"]
        assert sum(getattr(sent, kind).values()) > 0 and sent.wrong == 0


def test_check() -> None:
    server = servers.SERVERS["infinity-torch"]
    for body in (b"", b"{}", b'{"results": [{"index": 0}]}', b'{"results": 3}'):
        sent = Sent()
        check(sent, body, server, expected=[1.0, 2.0], tolerance=None)
        assert (sent.wrong, sent.checked) == (2, 2)
    sent = Sent()
    body = b'{"results": [{"index": 1, "relevance_score": 2.0005}, {"index": 0, "relevance_score": 1.5}]}'
    check(sent, body, server, expected=[1.0, 2.0], tolerance=1e-3)
    assert sent.wrong == 1 and sent.largest == pytest.approx(0.5)
    check(sent, body, server, expected=[1.0, 2.0], tolerance=None)
    assert sent.wrong == 1


def test_a_server_that_does_not_start(monkeypatch, tmp_path) -> None:
    server = Server(
        command=lambda _: ["-c", "print('no weights'); raise SystemExit(3)"],
        packages=(), path="/", ready="/", precision="fp32",
    )  # fmt: skip
    monkeypatch.setitem(servers.SERVERS, "standin", server)
    with (
        Running("standin", None, threads=1, log=tmp_path / "log") as running,
        pytest.raises(ServerError, match="code 3: no weights"),
    ):
        running.wait(30)

"""Latency and throughput of the policy, in simulated time."""

import random

import pytest

from tests.engine.simulation import Request, Server, Speed

# Seconds of a batch beside its tokens, and of a token, as measured for the embedded model, 6 layers of 384 and 24 of
# 1024 on two cores; beside them, the lengths of the documents.
ENGINES = {
    "embedded": (Speed(0.0003, 3e-6), (20, 160)),
    "6x384": (Speed(0.002, 1e-4), (40, 80)),
    "24x1024": (Speed(0.01, 4e-3), (40, 80)),
}
REQUEST = 0.002


@pytest.mark.parametrize("engine", ENGINES)
def test_single_pairs_stay_fast_beside_requests_of_a_thousand(engine: str) -> None:
    speed, (low, high) = ENGINES[engine]
    draw = random.Random(7)
    server = Server(speed)
    single = (low + high) // 2
    unit = REQUEST + speed.seconds(single)
    server.send([Request(0.0, [draw.randint(low, high) for _ in range(1000)], again=0.0) for _ in range(2)])
    singles, at = [], 0.0
    for _ in range(600):
        at += draw.expovariate(1 / (10 * unit))
        singles.append(Request(at, [single]))
    server.send(singles)
    server.run(until=at + 100 * unit)
    assert all(request.latency is not None for request in singles)
    latencies = sorted(REQUEST + request.latency for request in singles[20:] if request.latency is not None)
    assert latencies[int(0.99 * len(latencies))] < 3 * unit
    # ... and what the long ones lose is what short batches cost.
    assert server.tokens / server.now > 0.5 / speed.pace


@pytest.mark.parametrize("engine", ENGINES)
def test_long_requests_alone_have_the_whole_engine(engine: str) -> None:
    speed, (low, high) = ENGINES[engine]
    draw = random.Random(7)
    server = Server(speed)
    server.send([Request(0.0, [draw.randint(low, high) for _ in range(1000)]) for _ in range(8)])
    server.run(until=1e9)
    assert len(server.finished) == 8
    at_best = speed.seconds(server.tokens) + speed.fixed * (server.tokens / server.max_batch_tokens)
    assert at_best / server.now > 0.95


def test_a_crowd_of_single_pairs_shares_batches() -> None:
    """64 clients with one pair each, in a closed loop."""
    speed = ENGINES["6x384"][0]
    server = Server(speed)
    server.send([Request(0.001 * i, [60], again=0.001) for i in range(64)])
    server.run(until=20.0)
    assert server.tokens / server.now > 0.93 / speed.pace


def test_low_priority_gives_way_and_still_ends() -> None:
    speed = ENGINES["6x384"][0]
    server = Server(speed)
    low = Request(0.0, [60] * 100, priority=2)
    server.send([low, *(Request(0.0, [60] * 20, again=0.0) for _ in range(8))])
    server.run(until=60.0)
    assert low.latency is not None
    normal = [request for request in server.finished if request.priority == 1]
    assert len(normal) > 100

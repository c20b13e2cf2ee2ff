"""What the service tells becomes what Prometheus reads."""

import os
import re

import numpy as np
import pytest

from resift.engine.scheduler import BatchReport
from resift.errors import ModelError
from resift.server.drift import DriftWatch
from resift.server.metrics import Metrics, resident_bytes
from resift.server.records import Timings

TIMINGS = Timings(total=0.2, tokenization=0.02, queue=0.03, inference=0.1)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_requests_and_their_stages() -> None:
    told: list[tuple[str, Timings]] = []
    metrics = Metrics(DriftWatch(100), on_request=lambda model, timings: told.append((model, timings)))
    metrics.request("m", pairs=3, tokens=40, outcome="ok", timings=TIMINGS, partial=True)
    metrics.request("m", pairs=9, tokens=90, outcome="Overloaded", timings=Timings(), partial=False)
    assert value(metrics, "resift_scoring_total", model="m", outcome="ok") == 1
    assert value(metrics, "resift_scoring_total", model="m", outcome="Overloaded") == 1
    assert value(metrics, "resift_pairs_total", model="m") == 3
    assert value(metrics, "resift_tokens_total", model="m") == 40
    assert value(metrics, "resift_partial_total", model="m") == 1
    assert value(metrics, "resift_stage_seconds_sum", stage="inference") == pytest.approx(0.1)
    assert value(metrics, "resift_stage_seconds_count", stage="queue") == 1
    assert told == [("m", TIMINGS)]


def test_batches_cache_queue_and_engine() -> None:
    metrics = Metrics(DriftWatch(100))
    metrics.batch(BatchReport("m", 4, 200, 0.01))
    metrics.batch(BatchReport("m", 4, 200, 0.01, ModelError("lost")))
    metrics.cache(hits=2, misses=5)
    metrics.queue(700)
    assert value(metrics, "resift_batches_total", model="m") == 1
    assert value(metrics, "resift_batches_failed_total", model="m") == 1
    assert value(metrics, "resift_batch_tokens_sum") == 200
    assert value(metrics, "resift_batch_sequences_count") == 1
    assert value(metrics, "resift_cache_hits_total") == 2
    assert value(metrics, "resift_cache_misses_total") == 5
    assert value(metrics, "resift_queue_tokens") == 700
    for ready in (True, False, True, True, False):
        metrics.engine(ready)
    assert value(metrics, "resift_engine_ready") == 0
    assert value(metrics, "resift_engine_restarts_total") == 1


def test_drift_is_measured_when_it_is_read() -> None:
    metrics = Metrics(DriftWatch(100))
    assert value(metrics, "resift_score_drift", model="m", statistic="psi") is None
    metrics.score("m", np.linspace(-5, 5, 100, dtype=np.float32))
    metrics.score("m", np.linspace(5, 9, 100, dtype=np.float32))
    psi = value(metrics, "resift_score_drift", model="m", statistic="psi")
    assert psi is not None
    assert psi > 1
    assert value(metrics, "resift_scores_total", model="m") == 200


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")  # noqa: PTH110
def test_memory() -> None:
    own = resident_bytes(os.getpid())
    assert own is not None
    assert own > 1_000_000
    assert resident_bytes(None) is None
    assert resident_bytes(2**30) is None
    metrics = Metrics(DriftWatch(100))
    metrics.watch_engine_memory(os.getpid)
    assert value(metrics, "resift_engine_memory_bytes") == pytest.approx(own, rel=0.5)


def test_it_is_valid_text() -> None:
    metrics = Metrics(DriftWatch(100))
    metrics.answered("/rerank", 200, 0.01)
    lines = metrics.render().decode().splitlines()
    assert all(re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{[^}]*\})? [-+.e\dInfa]+", line) for line in lines)

"""What Prometheus reads from `/metrics`: an observer of the service and of the edge, with a registry of its own.

Labels are bounded: routes that the server has, models that it serves, statuses and reasons of fixed lists.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from resift.engine.scheduler import BatchReport
from resift.server.drift import DriftWatch
from resift.server.records import Timings
from resift.types import Float32

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SEQUENCES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKENS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts. Its methods are those of `Observer` and what the edge has to tell; safe from several threads."""

    def __init__(self, drift: DriftWatch, *, on_request: Callable[[str, Timings], None] | None = None) -> None:
        self.registry = CollectorRegistry()
        self._on_request = on_request
        self._drift = drift
        self._make_http()
        self._make_work()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Drift(drift))

    def _make_http(self) -> None:
        at = self.registry
        self._requests = Counter("resift_requests", "Answered requests.", ["route", "status"], registry=at)
        self._errors = Counter("resift_errors", "Answers with a status from 400.", ["route", "status"], registry=at)
        self._latency = Histogram(
            "resift_request_seconds", "From a request's headers to the end of its answer.", ["route"],
            buckets=SECONDS, registry=at,
        )  # fmt: skip
        self.in_flight = Gauge("resift_requests_in_flight", "Requests that are being answered.", registry=at)
        self._refused = Counter(
            "resift_refused", "Connections and requests turned away below the routes.", ["reason"], registry=at
        )
        self._connections = Gauge("resift_connections", "Open connections.", registry=at)

    def _make_work(self) -> None:
        at = self.registry
        self._work = Counter("resift_scoring", "Scoring requests that ended.", ["model", "outcome"], registry=at)
        self._partial = Counter("resift_partial", "Answers that a deadline left incomplete.", ["model"], registry=at)
        self._pairs = Counter("resift_pairs", "Pairs in answered requests.", ["model"], registry=at)
        self._tokens = Counter("resift_tokens", "Tokens in answered requests.", ["model"], registry=at)
        self._stages = Histogram(
            "resift_stage_seconds", "Time of scoring requests by stage.", ["stage"], buckets=SECONDS, registry=at
        )
        self._batches = Counter("resift_batches", "Batches that the engine ran.", ["model"], registry=at)
        self._failed = Counter("resift_batches_failed", "Batches without logits.", ["model"], registry=at)
        self._batch_sequences = Histogram(
            "resift_batch_sequences", "Sequences in a batch.", buckets=SEQUENCES, registry=at
        )
        self._batch_tokens = Histogram("resift_batch_tokens", "Tokens in a batch.", buckets=TOKENS, registry=at)
        self._batch_seconds = Histogram(
            "resift_batch_seconds", "Time of a batch in the engine.", buckets=SECONDS, registry=at
        )
        self._queue = Gauge("resift_queue_tokens", "Tokens that wait or are in work.", registry=at)
        self._hits = Counter("resift_cache_hits", "Pairs whose score was known.", registry=at)
        self._misses = Counter("resift_cache_misses", "Pairs whose score was not known.", registry=at)
        self._ready = Gauge("resift_engine_ready", "1 while the engine takes batches.", registry=at)
        self._restarts = Counter("resift_engine_restarts", "Times that the engine came back.", registry=at)
        self._scores = Counter("resift_scores", "Scores that were computed or known.", ["model"], registry=at)
        self._was_lost = False

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is one of the server's, or `other`."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        if status >= 400:
            self._errors.labels(route, str(status)).inc()

    def refused(self, reason: str) -> None:
        """Count what was turned away below the routes, by the limit's name."""
        self._refused.labels(reason).inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Ask for the number of connections when it is read."""
        self._connections.set_function(lambda: float(count()))

    def watch_engine_memory(self, pid: Callable[[], int | None]) -> None:
        """Ask for the memory of the engine's process when it is read."""
        self.registry.register(_EngineMemory(pid))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def request(self, model: str, *, pairs: int, tokens: int, outcome: str, timings: Timings, partial: bool) -> None:
        """Count a scoring request that ended, in its own task."""
        self._work.labels(model, outcome).inc()
        if outcome != "ok":
            return
        self._pairs.labels(model).inc(pairs)
        self._tokens.labels(model).inc(tokens)
        if partial:
            self._partial.labels(model).inc()
        for stage in ("total", "tokenization", "queue", "inference"):
            self._stages.labels(stage).observe(getattr(timings, stage))
        if self._on_request is not None:
            self._on_request(model, timings)

    def batch(self, report: BatchReport) -> None:
        """Count a batch."""
        if report.error is not None:
            self._failed.labels(report.model).inc()
            return
        self._batches.labels(report.model).inc()
        self._batch_sequences.observe(report.sequences)
        self._batch_tokens.observe(report.tokens)
        self._batch_seconds.observe(report.seconds)

    def cache(self, *, hits: int, misses: int) -> None:
        """Count pairs that were looked up in the score cache."""
        self._hits.inc(hits)
        self._misses.inc(misses)

    def queue(self, tokens: int) -> None:
        """Note how many tokens wait or are in work."""
        self._queue.set(tokens)

    def score(self, model: str, logits: Float32) -> None:
        """Note raw scores, float32 [pairs]."""
        self._scores.labels(model).inc(len(logits))
        self._drift.add(model, logits)

    def engine(self, ready: bool) -> None:
        """Note that the engine came back or was lost."""
        self._ready.set(int(ready))
        if ready and self._was_lost:
            self._restarts.inc()
        self._was_lost = not ready


class _Drift(Collector):
    """Measures when it is read, not when a score comes."""

    def __init__(self, watch: DriftWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "resift_score_drift", "Distance of recent scores from the reference.", labels=["model", "statistic"]
        )
        for model, (psi, ks) in self._watch.measure().items():
            family.add_metric([model, "psi"], psi)
            family.add_metric([model, "ks"], ks)
        yield family


class _EngineMemory(Collector):
    """Reads the resident memory of the engine's process where the system tells it."""

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("resift_engine_memory_bytes", "Resident memory of the engine's process.")
        size = resident_bytes(self._pid())
        if size is not None:
            family.add_metric([], size)
        yield family


def resident_bytes(pid: int | None) -> int | None:
    """Return the resident memory of a process; None where there is none, or no /proc."""
    if pid is None:
        return None
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - no file
            line = next((line for line in lines if line.startswith("VmRSS:")), None)
    except OSError:
        return None
    return None if line is None else int(line.split()[1]) * 1024

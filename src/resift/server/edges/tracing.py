"""OpenTelemetry traces: a span for each request, and under it one for each stage of its scoring. Off unless asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from starlette.types import Scope

from resift.errors import MissingExtra
from resift.server.records import Timings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE = "resift"


class Tracing(Protocol):
    """What is told of requests as they run."""

    def request(self, scope: Scope, route: str, answer: Mapping[str, int]) -> AbstractContextManager[None]:
        """Return the context in which a request is answered; `answer` has its status at the end."""

    def stages(self, model: str, timings: Timings) -> None:
        """Tell where the time of the running request's scoring went."""

    def close(self) -> None:
        """Send what is not sent yet."""


class NoTracing:
    """Nobody is told."""

    def request(self, scope: Scope, route: str, answer: Mapping[str, int]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()

    def stages(self, model: str, timings: Timings) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class SpanTracing:
    """Spans that go to an exporter, as children of the caller's span where its `traceparent` names one."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("resift.server")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, scope: Scope, route: str, answer: Mapping[str, int]) -> Iterator[None]:
        """Open the request's span."""
        from opentelemetry.trace import SpanKind, StatusCode

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes = {
            "http.request.method": scope["method"],
            "http.route": route,
            "url.scheme": scope["scheme"],
            "resift.request_id": scope["state"]["request_id"],
        }
        with self._tracer.start_as_current_span(
            f"{scope['method']} {route}",
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=attributes,
        ) as span:
            try:
                yield
            finally:
                span.set_attribute("http.response.status_code", answer["status"])
                if answer["status"] >= 500:
                    span.set_status(StatusCode.ERROR)

    def stages(self, model: str, timings: Timings) -> None:
        """Add the spans of the stages, which lie before now."""
        from opentelemetry.trace import get_current_span

        end = time.time_ns()
        begin = end - _nanoseconds(timings.total)
        get_current_span().set_attribute("resift.model", model)
        tokenised = min(end, begin + _nanoseconds(timings.tokenization))
        spans = {
            "tokenization": (begin, tokenised),
            "queue": (tokenised, min(end, tokenised + _nanoseconds(timings.queue))),
            "inference": (max(begin, end - _nanoseconds(timings.inference)), end),
        }
        for stage, (first, last) in spans.items():
            self._tracer.start_span(f"resift.{stage}", start_time=first).end(last)

    def close(self) -> None:
        """Send what is not sent yet."""
        self._provider.shutdown()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def open_tracing(endpoint: str | None) -> Tracing:
    """Return what sends spans to an OTLP endpoint (HTTP), or does nothing without one; raises MissingExtra."""
    if endpoint is None:
        return NoTracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider  # noqa: F401 - is it there?
    except ImportError as error:
        raise MissingExtra("sending traces", extra="otel") from error
    path = "" if endpoint.rstrip("/").endswith("/v1/traces") else "/v1/traces"
    return SpanTracing(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + path))

"""Spans of requests and of the stages under them."""

import pytest

from resift.errors import MissingExtra
from resift.server.edges.tracing import NoTracing, open_tracing
from resift.server.records import Timings
from tests.server.edges.harness import edge

pytestmark = pytest.mark.timeout(180)


def test_a_request_is_a_span_under_the_callers() -> None:
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from resift.server.edges.tracing import SpanTracing

    exporter = export.InMemorySpanExporter()
    tracing = SpanTracing(exporter)
    with edge(tracing=tracing) as server:
        trace_id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        server.get("/echo", traceparent=f"00-{trace_id}-{parent}-01", X_Request_Id="named")
        server.post("/boom", b"document")
    tracing.close()
    echo, boom = exporter.get_finished_spans()
    assert echo.name == "GET /echo"
    assert f"{echo.context.trace_id:032x}" == trace_id
    assert f"{echo.parent.span_id:016x}" == parent
    assert echo.attributes["http.response.status_code"] == 200
    assert echo.attributes["resift.request_id"] == "named"
    assert boom.attributes["http.response.status_code"] == 500
    assert not boom.status.is_ok
    assert "document" not in str(boom.attributes) + str(boom.events)


def test_stages_lie_within_the_request() -> None:
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from resift.server.edges.tracing import SpanTracing

    exporter = export.InMemorySpanExporter()
    tracing = SpanTracing(exporter)
    scope = {"method": "POST", "headers": [], "scheme": "http", "state": {"request_id": "r"}}
    with tracing.request(scope, "/rerank", {"status": 200}):
        tracing.stages("m", Timings(total=0.5, tokenization=0.1, queue=0.15, inference=0.2))
    tracing.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    request = spans.pop("POST /rerank")
    assert {name: round((span.end_time - span.start_time) / 1e9, 3) for name, span in spans.items()} == {
        "resift.tokenization": 0.1,
        "resift.queue": 0.15,
        "resift.inference": 0.2,
    }
    assert all(span.parent.span_id == request.context.span_id for span in spans.values())
    assert request.attributes["resift.model"] == "m"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtra, match=r"resift\[otel\]"):
        open_tracing("http://localhost:4318")
    assert isinstance(open_tracing(None), NoTracing)

"""What a call sends, in how many requests, how long it waits, and what it makes of the answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift import Reranker, Windows
from resift.client.options import Options
from resift.client.records import ServedCalibration
from resift.client.requests import rank_request
from resift.errors import (
    InputError,
    Overloaded,
    Rejected,
    ServerError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownModel,
)
from resift.text.template import scrub
from tests.calibrations import make_calibration
from tests.client.callers import callers
from tests.client.fake import FakeServer

KINDS = ["Client", "AsyncClient"]
TEXTS = [f"document {i} of {i * 7 % 11}" for i in range(300)]


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        yield reranker.with_options(calibration=make_calibration(reranker))


@pytest.fixture
def server(reranker: Reranker) -> FakeServer:
    return FakeServer(reranker)


@pytest.fixture(params=KINDS)
def caller(request: pytest.FixtureRequest, server: FakeServer) -> Any:
    return callers(server, retries=0)[request.param]


# What is sent.


def test_only_what_was_asked_for_is_sent(caller: Any, server: FakeServer) -> None:
    caller.rank("q", ["a", "b"], top_k=1)
    assert server.bodies() == [
        {"query": "q", "documents": ["a", "b"], "return_documents": False, "scores": "raw", "details": True, "top_n": 1}
    ]


def test_every_option_is_sent(caller: Any, server: FakeServer) -> None:
    caller.with_options(
        model="tiny",
        scores="sigmoid",
        truncation="flag",
        max_length=32,
        windows=Windows(overlap=8),
        template="{title}",
        priority="high",
        deadline_ms=900,
        strict=True,
    ).score_details([("q", {"title": "a"}), ("r", {"title": "b"})])
    assert server.bodies() == [
        {
            "queries": ["q", "r"],
            "documents": [{"title": "a"}, {"title": "b"}],
            "model": "tiny",
            "scores": "sigmoid",
            "truncation": "flag",
            "max_length": 32,
            "windows": {"overlap": 8, "aggregate": "max", "top_k": 3},
            "template": "{title}",
            "priority": "high",
            "deadline_ms": 900,
            "strict": True,
            "details": True,
        }
    ]


def test_a_query_that_all_pairs_have_is_sent_once(caller: Any, server: FakeServer) -> None:
    caller.score([("q", "a"), ("q", "b")])
    assert server.bodies()[0]["queries"] == "q"


def test_values_that_json_has_not_are_sent_as_their_text(caller: Any, server: FakeServer) -> None:
    import datetime
    import decimal

    document = {
        "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.50"),
        "rank": float("nan"),
        "n": [1, None],
    }
    caller.rank("q", [document])
    assert server.bodies()[0]["documents"] == [{"day": "2026-01-02", "price": "1.50", "rank": "nan", "n": [1, None]}]
    assert document["price"] == decimal.Decimal("1.50")


@given(st.text(st.characters()), st.lists(st.text(st.characters()), min_size=1, max_size=5))
def test_any_text_is_sent_as_reranker_reads_it(query: str, documents: list[str]) -> None:
    request = rank_request(query, documents, None, Options())
    assert request.body is not None
    sent = json.loads(request.body)
    assert [sent["query"], *sent["documents"]] == [scrub(text) for text in (query, *documents)]


def test_what_cannot_be_written_is_the_callers_mistake(caller: Any) -> None:
    document: dict[str, object] = {}
    document["self"] = document
    with pytest.raises(InputError, match="JSON"):
        caller.rank("q", [document])


def test_the_key_and_headers_go_with_every_request(server: FakeServer) -> None:
    with callers(server, api_key="secret", headers={"X-Team": "search"})["Client"] as client:
        client.rank("q", ["a"])
        client.models()
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer secret"}
    assert {request.headers["x-team"] for request in server.requests} == {"search"}


# What comes back.


def test_what_the_server_says_of_the_call(caller: Any, reranker: Reranker) -> None:
    ranking = caller.with_options(scores="sigmoid").rank("q", ["a", "b"])
    assert ranking.info == reranker.with_options(scores="sigmoid").info
    assert (ranking.partial, ranking.tokens, ranking.timings) == (False, 20, {"total": 2.5, "queue": 0.5})
    many = caller.with_options(scores="sigmoid").rank_many(["q"], [["a", "b"]])[0]
    assert (many.info, many.tokens) == (ranking.info, 20)


@pytest.mark.parametrize("scores", ["raw", "sigmoid"])
def test_a_document_without_a_score_comes_last(caller: Any, server: FakeServer, scores: str) -> None:
    server.pending = frozenset(["late"])
    documents = ["late", "a", {"colour": "red"}, {"title": "b"}]
    view = caller.with_options(template="{title}", scores=scores, deadline_ms=100)
    for ranking in (view.rank("q", documents), view.rank_many(["q"], [documents])[0]):
        assert [one.index for one in ranking[2:]] == [0, 2]
        assert [one.pending for one in ranking] == [False, False, True, False]
        assert ranking[3].error and "colour" in ranking[3].error
        assert {one.score for one in ranking[2:]} == {-100.0 if scores == "raw" else 0.0}
        assert ranking.partial


def test_an_array_has_no_place_for_what_has_no_score(caller: Any, server: FakeServer) -> None:
    with pytest.raises(Rejected, match=r"item 1 .*colour"):
        caller.with_options(template="{title}").score([("q", "a"), ("q", {"colour": "red"})])
    server.pending = frozenset(["late"])
    with pytest.raises(TimedOut, match=r"50 ms .*item 0"):
        caller.with_options(deadline_ms=50).score([("q", "late")])


def test_models_and_info(caller: Any, reranker: Reranker) -> None:
    (model,) = caller.models()
    assert (model.name, model.max_length, model.info, model.created) == ("tiny", 128, reranker.info, 7)
    assert model.calibration == ServedCalibration("platt:1a2b", ["de"])
    info = caller.info()
    assert (info.version, info.max_documents, info.max_length) == ("0.0.1", 1000, 64)


def test_ready(caller: Any, server: FakeServer) -> None:
    assert caller.ready() is True
    server.refusals = [httpx.Response(503), httpx.ConnectError("refused")]
    assert caller.ready() is False
    assert caller.ready() is False
    assert server.asked == ["/ready"] * 3


def test_truncation_is_logged(caller: Any, caplog: pytest.LogCaptureFixture) -> None:
    caller.score([("q", "long " * 300), ("q", "a")])
    assert "1 of 2 pairs were cut to 64 tokens" in caplog.text


# Errors.


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, UnknownModel),
        (408, TimedOut),
        (413, TooLarge),
        (422, Rejected),
        (424, ServerError),
        (429, Overloaded),
        (500, ServerError),
        (502, ServerError),
        (503, Unavailable),
        (504, TimedOut),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {"message": "why"},
        {"error": "why", "error_type": "Validation"},
        {"error": {"message": "why"}},
        {"detail": "why"},
    ],
    ids=["cohere", "tei", "vllm", "fastapi"],
)
def test_errors_of_every_dialect(server: FakeServer, status: int, kind: type[ServerError], body: dict) -> None:
    server.refusals = [httpx.Response(status, json=body, headers={"x-request-id": "r7"})]
    with callers(server, retries=0, model="tiny")["Client"] as client, pytest.raises(ServerError) as caught:
        client.rank("q", ["a"])
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.request_id) == (status, "r7")
    assert f"{status}: why" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 200, "text": "<html>welcome</html>"},
        {"status_code": 200, "json": {"results": [{"index": 0, "relevance_score": 1.0}]}},
        {"status_code": 200, "json": [1]},
        {"status_code": 301, "headers": {"location": "https://elsewhere"}},
        {"status_code": 404, "json": {"detail": "Not Found"}},
        {"status_code": 502, "text": "bad gateway " * 100},
    ],
    ids=["a page", "half an answer", "a list", "moved", "another server", "a gateway"],
)
def test_what_is_no_resift_server(caller: Any, server: FakeServer, answer: dict) -> None:
    server.refusals = [httpx.Response(**answer)]
    with pytest.raises(ServerError) as caught:
        caller.rank("q", ["a"])
    assert type(caught.value) is ServerError
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("indices", [[0], [0, 0], [0, 2], [0, -1], [0, 1, 1]], ids=str)
def test_no_document_is_lost_in_silence(caller: Any, server: FakeServer, indices: list[int]) -> None:
    whole = json.loads(
        server(httpx.Request("POST", "http://s/v1/rerank", json={"query": "q", "documents": ["a", "b"]})).content
    )
    results = [{"index": i, "relevance_score": 0.5} for i in indices]
    server.refusals = [httpx.Response(200, json=whole | {"results": results})]
    with pytest.raises(ServerError, match="not that of a resift server"):
        caller.rank("q", ["a", "b"])


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "", "http://"])
def test_an_address_that_is_none(url: str) -> None:
    from resift import Client

    with pytest.raises(InputError, match="url"):
        Client(url)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"retries": -1}, {"retries": True}, {"deadline_ms": 0}], ids=str)
def test_options_that_mean_nothing(options: dict) -> None:
    from resift import Client

    with pytest.raises(InputError):
        Client("http://server", **options)


# Parts of one call.


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("scores", ["raw", "sigmoid", "calibrated"])
def test_parts_give_what_one_request_gives(
    caller: Any, server: FakeServer, reranker: Reranker, scores: str, told: bool
) -> None:
    server.max_documents, server.told = 70, told
    local, served = reranker.with_options(scores=scores), caller.with_options(scores=scores)
    ranking = served.rank("document of 7", TEXTS, top_k=100)
    assert ranking == local.rank("document of 7", TEXTS, top_k=100)
    assert ranking.tokens == 10 * len(TEXTS)
    assert ranking.info == local.info
    assert served.score_details([("q", text) for text in TEXTS]) == local.score_details([("q", text) for text in TEXTS])
    assert served.rank_many(["q", "r"], [TEXTS, TEXTS[:9]]) == local.rank_many(["q", "r"], [TEXTS, TEXTS[:9]])


def test_a_limit_that_is_known_refuses_nothing(server: FakeServer) -> None:
    server.max_documents = 70
    with callers(server)["Client"] as client:
        client.rank("q", TEXTS)
        client.with_options(max_length=32).rank("q", TEXTS)
    assert server.asked == ["/info"] + ["/v1/score"] * 10
    assert [len(body["documents"]) for body in server.bodies()] == [70, 70, 70, 70, 20] * 2


def test_short_calls_ask_for_no_limit(server: FakeServer) -> None:
    with callers(server)["Client"] as client:
        client.rank("q", TEXTS[:256])
    assert server.asked == ["/v1/rerank"]


@pytest.mark.parametrize("options", [{"strict": True}, {"deadline_ms": 1000}], ids=str)
def test_a_promise_about_the_whole_call_is_one_request(caller: Any, server: FakeServer, options: dict) -> None:
    server.max_documents = 70
    with pytest.raises(TooLarge, match="limit is 70"):
        caller.with_options(**options).rank("q", TEXTS)
    assert server.asked == ["/v1/rerank"]


def test_one_document_that_is_too_large_fails(caller: Any, server: FakeServer) -> None:
    server.max_documents = 0
    with pytest.raises(TooLarge):
        caller.rank("q", ["a", "b"])


def test_a_busy_server_is_asked_again(server: FakeServer, reranker: Reranker) -> None:
    for kind in KINDS:
        server.refusals = [
            httpx.Response(429, headers={"retry-after": "0"}, json={"message": "full"}),
            httpx.ConnectError("refused"),
        ]
        assert callers(server, retries=2)[kind].rank("q", TEXTS[:5]) == reranker.rank("q", TEXTS[:5])

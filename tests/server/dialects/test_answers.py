"""Headers, errors and disconnects: what answers have beside the dialects' bodies."""

import asyncio
import math

import httpx
import pytest

from resift.errors import EngineClosed, InputError
from resift.server import errors
from resift.server.api import build_api
from resift.server.bodies import error_response
from resift.server.records import Outcome, Scored, Timings
from resift.server.settings import Settings
from tests.server.dialects.conftest import Client
from tests.server.dialects.fake import INFO, FakeService

ROUTES = {
    "/rerank": {"query": "q", "documents": ["d"]},
    "/v1/rerank": {"query": "q", "documents": ["d"]},
    "/v2/rerank": {"query": "q", "documents": ["d"]},
    "/score": {"text_1": "q", "text_2": "d"},
    "/predict": {"inputs": ["q", "d"]},
    "/similarity": {"inputs": {"source_sentence": "q", "sentences": ["d"]}},
    "/v1/ranking": {"query": "q", "passages": ["d"]},
    "/v1/reranking": {"query": "q", "input": ["d"]},
}


@pytest.mark.parametrize("path", ROUTES)
def test_timing_headers_are_those_of_tei(client: Client, path: str) -> None:
    headers = client.post(path, ROUTES[path]).headers
    assert {name: value for name, value in headers.items() if name.startswith("x-")} == {
        "x-compute-type": "cpu",
        "x-compute-time": "12",
        "x-compute-tokens": "6",
        "x-compute-characters": "1",
        "x-total-time": "12",
        "x-tokenization-time": "1",
        "x-queue-time": "2",
        "x-inference-time": "10",
    }


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Overloaded("full", retry_after=2.2), 429),
        (errors.Unavailable("restarting"), 503),
        (errors.EngineFailed("lost"), 424),
        (errors.DeadlinePassed("late"), 504),
        (errors.TooLarge("long"), 413),
        (InputError("no"), 422),
        (EngineClosed("closed"), 500),
        (ZeroDivisionError("secret"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_have_the_dialect_s_body(
    client: Client, service: FakeService, path: str, error: Exception, status: int
) -> None:
    service.raises = error
    response = client.post(path, ROUTES[path])
    assert response.status_code == (400 if path == "/score" and status == 422 else status)
    body = response.json()
    if path in {"/predict", "/similarity"}:
        assert set(body) == {"error", "error_type"}
        kinds = {429: "Overloaded", 503: "Unhealthy", 424: "Backend", 504: "Backend", 500: "Backend"}
        assert body["error_type"] == kinds.get(status, "Validation")
    else:
        assert body["message"] == body["detail"] == body["error"]["message"]
        assert body["error"]["code"] == response.status_code
    assert "secret" not in response.text
    assert response.headers.get("retry-after") == {429: "3", 503: "1"}.get(status)


def test_errors_on_rerank_follow_the_body(client: Client, service: FakeService) -> None:
    service.raises = errors.Overloaded("full", retry_after=1)
    assert client.post("/rerank", {"query": "q", "texts": ["d"]}).json() == {
        "error": "full",
        "error_type": "Overloaded",
    }
    assert "message" in client.post("/rerank", {"query": "q", "documents": ["d"]}).json()


def test_errors_before_routing_are_read_by_every_client_of_a_path() -> None:
    early = error_response("/rerank", errors.Unauthorized("no key"))
    assert early.status_code == 401
    assert early.headers["www-authenticate"] == "Bearer"
    assert early.body == (b'{"error":"no key","error_type":"Unauthorized","message":"no key","detail":"no key"}')
    assert b'"error_type":"Overloaded"' in error_response("/predict", 429).body
    assert b'"message":"Too Many Requests"' in error_response("/v1/rerank", 429).body
    assert b'"type":"RateLimitError"' in error_response("/score", 429, "later").body
    assert error_response("/score", errors.Unprocessable("x")).status_code == 400
    assert b"error 499" in error_response("/score", 499).body


def test_unknown_paths_and_methods_are_answered_in_json(client: Client) -> None:
    assert client.post("/v9/rerank", {}).status_code == 404
    assert "/docs" in client.get("/nothing").json()["message"]
    response = client.get("/v1/rerank")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "GET" in response.json()["message"]


@pytest.mark.parametrize("path", ["//v1/rerank", "/v1/rerank/", "/v1//rerank", "//rerank", "//v2/rerank//"])
def test_slashes_of_a_base_url_do_not_matter(client: Client, path: str) -> None:
    response = client.post(f"http://resift{path}", {"query": "q", "documents": ["q"]})
    assert (response.status_code, response.json()["results"][0]["index"]) == (200, 0)
    assert client.post(f"http://resift{path}", {"query": "q"}).json()["message"]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 3.5e38])
def test_a_score_that_is_no_number_is_never_sent(score: float) -> None:
    class Broken(FakeService):
        async def run(self, work):
            return Outcome([Scored(score)], [0], False, INFO, 1, 1, Timings())

    client = Client(Broken(), Settings())
    assert {client.post(path, body).status_code for path, body in ROUTES.items()} == {424}
    client.close()


def test_scores_are_exact(client: Client) -> None:
    """A third in float32 comes back as the same float32, and as the same double."""
    text = client.post("/v2/rerank", {"query": "a b c", "documents": ["a"]}).text
    assert '"relevance_score":0.3333333432674408' in text


def test_partial_answers_say_so() -> None:
    client = Client(FakeService(partial=True), Settings())
    body = client.post("/v2/rerank", {"query": "q", "documents": ["q", "d"]}).json()
    assert body["partial"] is True
    assert body["results"] == [
        {"index": 0, "relevance_score": 1.0},
        {"index": 1, "relevance_score": 0.0, "pending": True},
    ]
    client.close()


def test_documents_nested_too_deeply_to_come_back(client: Client) -> None:
    deep = "[" * 400 + "]" * 400
    body = f'{{"query":"q","documents":[{{"text":"d","more":{deep}}}],"return_documents":%s}}'
    refused = client.post("/v1/rerank", content=body % "true")
    assert (refused.status_code, "nested" in refused.text) == (400, True)
    assert client.post("/v1/rerank", content=body % "false").status_code == 200


@pytest.mark.parametrize("path", ROUTES)
def test_a_client_that_leaves_withdraws_its_work(path: str) -> None:
    """The client's disconnect, as an ASGI server tells it, cancels the call of the service."""

    async def scenario() -> tuple[bool, int]:
        service = FakeService(waits=asyncio.Event())
        api = build_api(service, Settings())
        messages: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        sent: list[dict[str, object]] = []
        content = httpx.Request("POST", "http://resift", json=ROUTES[path]).content
        messages.put_nowait({"type": "http.request", "body": content, "more_body": False})

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": [],
            "query_string": b"", "scheme": "http", "server": ("resift", 80), "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        running = asyncio.create_task(api(scope, messages.get, send))
        while not service.works:
            await asyncio.sleep(0)
        messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(running, timeout=10)
        return service.cancelled, sent[0]["status"]

    assert asyncio.run(scenario()) == (True, 499)


def test_listings(client: Client, service: FakeService) -> None:
    models = client.get("/v1/models").json()
    assert {item.pop("owned_by") for item in models["data"]} == {"resift"}
    assert models == client.get("/models").json()
    assert [(item["id"], item["object"], item["created"]) for item in models["data"]] == [
        ("small", "model", 1700000000),
        ("large", "model", 1700000001),
    ]
    info = client.get("/info").json()
    assert (info["model_id"], info["model_sha"], info["max_input_length"]) == ("acme/reranker-small", "5f0c1a2", 512)
    assert info["model_type"] == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    assert info["max_client_batch_size"] == 8
    for path in ("/health", "/ready"):
        response = client.get(path)
        assert (response.status_code, response.content) == (200, b"")


def test_ready_follows_the_engine_and_health_the_process(client: Client, service: FakeService) -> None:
    service.ready = False
    assert client.get("/health").status_code == 200
    response = client.get("/ready")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["error_type"] == "Unhealthy"


@pytest.mark.parametrize("path", ["/health", "/ready", "/info", "/models", "/v1/models", "/docs", "/openapi.json"])
def test_what_can_be_got_can_be_asked_for_its_head(path: str) -> None:
    """Load balancers probe with HEAD."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(build_api(FakeService(), Settings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://resift") as client:
            return [await client.head(path), await client.get(path)]

    head, get = asyncio.run(ask())
    assert head.status_code == get.status_code == 200
    assert head.headers == get.headers


def test_who_is_cancelled_twice_takes_the_work_along() -> None:
    """The second one comes while the first is waited for, as at the end of the server."""

    async def ask() -> bool:
        service = FakeService(waits=asyncio.Event())
        transport = httpx.ASGITransport(build_api(service, Settings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://resift") as client:
            task = asyncio.create_task(client.post("/rerank", json=ROUTES["/rerank"]))
            while not service.works:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for _ in range(5):
                await asyncio.sleep(0)
            return service.cancelled

    assert asyncio.run(ask())

"""The encoder behind a server: against a transport of ours, and over a socket."""

import base64
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import pytest

from resift.errors import (
    InputError,
    MissingExtra,
    Overloaded,
    Rejected,
    ServerError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownModel,
)
from resift.retrieval import FaissIndex, HttpEncoder

OPENAI = "http://host/v1/embeddings#tiny"
TEI = "http://host/embed"


def vector(text: str, size: int = 3) -> list[float]:
    return [float(len(text)), float(text.count("e")), 1.0, *[0.5] * (size - 3)]


def unit(*texts: str) -> np.ndarray:
    rows = np.array([vector(text) for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Server:
    """What a server answers, without one. `answers` come first, one a request."""

    def __init__(self, *answers: httpx.Response | Exception, most: int = 10_000) -> None:
        self.answers = list(answers)
        self.most = most
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        self.headers.append(request.headers)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        texts = body["inputs" if request.url.path == "/embed" else "input"]
        if len(texts) > self.most:
            return httpx.Response(413, json={"error": "batch size > maximum"})
        return httpx.Response(200, json=reply(request.url.path, body))

    def encoder(self, url: str, **options: Any) -> HttpEncoder:
        return HttpEncoder(url, transport=httpx.MockTransport(self), wait=self.waits.append, **options)


def reply(path: str, body: dict[str, Any]) -> Any:
    if path == "/embed":
        return [vector(text) for text in body["inputs"]]
    rows = [vector(text, body.get("dimensions", 3)) for text in body["input"]]
    packed = [base64.b64encode(np.array(row, "<f4").tobytes()).decode() for row in rows]
    shown: list[Any] = packed if body["encoding_format"] == "base64" else rows
    data = [{"object": "embedding", "index": i, "embedding": one} for i, one in enumerate(shown)]
    return {"object": "list", "data": data[::-1], "model": body.get("model")}  # in any order


@pytest.mark.parametrize("format_", ["float", "base64"])
def test_openai(format_: Any) -> None:
    server = Server()
    encoder = server.encoder(OPENAI, encoding_format=format_, api_key="secret", batch_size=2, concurrency=1)
    assert np.allclose(encoder.encode_documents(["tea", "", "see", "e"]), [*unit("tea"), [0, 0, 0], *unit("see", "e")])
    assert [body["input"] for body in server.bodies] == [["tea", "see"], ["e"]]
    assert all(set(body) == {"input", "model", "encoding_format"} for body in server.bodies)
    assert server.bodies[0]["model"] == "tiny"
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in encoder.name
    assert (encoder.name, encoder.dimension) == ("http:tiny", 3)


def test_dimensions_and_prefixes() -> None:
    server = Server()
    encoder = server.encoder("http://host/v1/embeddings#e5-small?dimensions=8")
    assert encoder.encode_queries(["a"]).shape == (1, 8)
    encoder.encode_documents(["a"])
    assert [body["input"] for body in server.bodies] == [["query: a"], ["passage: a"]]
    assert server.bodies[0]["dimensions"] == 8
    assert encoder.name == "http:e5-small@8 'query: ' 'passage: '"
    plain = server.encoder("http://host/v1/embeddings#e5-small?query_prefix=&document_prefix=")
    assert plain.name == "http:e5-small"
    with pytest.raises(InputError, match="3 numbers, expected 4"):
        server.encoder(TEI, dimensions=4).encode_queries(["a"])


def test_tei() -> None:
    server = Server()
    encoder = server.encoder(TEI)
    assert np.allclose(encoder.encode_queries(["tea", "e"]), unit("tea", "e"))
    assert server.bodies == [{"inputs": ["tea", "e"], "normalize": True, "truncate": True}]
    assert "authorization" not in server.headers[0]
    assert encoder.name == "http:http://host/embed"


def test_many_batches_come_back_in_order() -> None:
    texts = ["e" * (1 + i % 7) + "x" * i for i in range(100)]
    encoder = Server().encoder(TEI, batch_size=7, concurrency=4)
    assert np.allclose(encoder.encode_documents(texts), unit(*texts), atol=1e-6)


def test_what_is_too_large_goes_in_halves() -> None:
    server = Server(most=3)
    assert np.allclose(server.encoder(TEI).encode_documents(list("abcdefghij")), unit(*"abcdefghij"), atol=1e-6)
    assert max(len(body["inputs"]) for body in server.bodies[1:]) == 5
    with pytest.raises(TooLarge, match="413"):
        Server(most=0).encoder(TEI).encode_documents(["a", "b"])


def test_what_is_tried_again() -> None:
    server = Server(
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(503),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("gone"),
    )
    assert server.encoder(TEI).encode_documents(["tea"]).shape == (1, 3)
    assert server.waits[0] == 7
    assert len(server.waits) == 4
    assert all(0.25 <= seconds <= 8 for seconds in server.waits[1:])
    patient = Server(httpx.Response(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    assert patient.encoder(TEI).encode_documents(["tea"]).shape == (1, 3)
    assert patient.waits[0] < 1


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(400, json={"error": {"message": "no such input"}}), Rejected, "400: no such input"),
        (httpx.Response(401, json={"error": {"message": "bad key"}}), Unauthorized, "bad key"),
        (httpx.Response(404, json={"detail": "no model tiny"}), UnknownModel, "no model tiny"),
        (httpx.Response(422, text="what?"), Rejected, "what[?]"),
        (httpx.Response(500, text="oops"), ServerError, "500: oops"),
        (httpx.Response(429, headers={"retry-after": "3600"}), Overloaded, "429"),
        (httpx.Response(200, text="<html>"), ServerError, "else than JSON"),
        (httpx.Response(200, json={"data": []}), ServerError, "0 vectors for 1"),
        (httpx.Response(200, json={"data": [{"index": 1, "embedding": [1.0]}]}), ServerError, "0 vectors for 1"),
        (httpx.Response(200, json={"data": [{"index": 0, "embedding": "!"}]}), ServerError, "else than vectors"),
        (httpx.Response(200, json={"data": [{"index": 0}]}), ServerError, "else than vectors"),
        (httpx.Response(200, json={"data": 5}), ServerError, "0 vectors for 1"),
    ],
)
def test_answers_that_are_errors(answer: httpx.Response, error: type[Exception], words: str) -> None:
    server = Server(answer)
    with pytest.raises(error, match=words):
        server.encoder(OPENAI).encode_documents(["tea"])
    assert server.waits == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.ConnectError("no"), Unavailable),
        (httpx.Response(503), Unavailable),
    ],
)
def test_patience_ends(answer: Any, error: type[Exception]) -> None:
    server = Server(*[answer] * 10)
    with pytest.raises(error, match="http://host/embed"):
        server.encoder("http://me:secret@host/embed", retries=2).encode_documents(["tea"])
    assert len(server.waits) == 2
    assert server.headers[0]["authorization"].startswith("Basic")


@pytest.mark.parametrize(
    ("url", "ends"),
    [
        ("http://host/v1#m", "http://host/v1/embeddings"),
        ("http://host/v1/", "http://host/v1/embeddings"),
        ("https://host/openai/embeddings?api-version=1#m", "https://host/openai/embeddings?api-version=1"),
        ("http://host:81/embed/", "http://host:81/embed"),
    ],
)
def test_addresses(url: str, ends: str) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json=reply(request.url.path, json.loads(request.content)))

    HttpEncoder(url, transport=httpx.MockTransport(answer)).encode_queries(["a"])
    assert seen == [ends]


@pytest.mark.parametrize(
    "url", ["http://host", "ftp://host/embed", "http:///embed", "http://host/rerank", "http://host:tea/embed"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InputError, match="the encoder"):
        HttpEncoder(url)


def test_options_that_are_none() -> None:
    for options in ({"encoding_format": "hex"}, {"batch_size": 0}, {"concurrency": 0}, {"dimensions": 0}):
        with pytest.raises(InputError):
            HttpEncoder(OPENAI, **options)  # type: ignore[arg-type]


def test_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"resift\[client\]"):
        HttpEncoder(TEI)


@pytest.fixture
def address() -> Iterator[Callable[[str], str]]:
    """A server on a free port: it drops the first connection, and answers after that."""
    dropped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not dropped.is_set():
                dropped.set()
                self.close_connection = True
                return
            sent = json.dumps(reply(self.path, body)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield lambda path: f"http://127.0.0.1:{server.server_port}{path}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/embed", "/v1/embeddings#tiny"])
def test_over_a_socket(path: str, address: Callable[[str], str]) -> None:
    waits: list[float] = []
    encoder = HttpEncoder(address(path), batch_size=2, wait=waits.append)
    texts = ["tea", "green tea", "see", "trees", "e"]
    index = FaissIndex(encoder=encoder)
    index.add(range(5), texts)
    assert [hits[0].id for hits in index.search_many(texts, top_k=1)] == [0, 1, 2, 3, 4]
    assert len(waits) == 1
    encoder.close()


def test_an_index_closes_what_it_opened(address: Callable[[str], str]) -> None:
    with FaissIndex(encoder=address("/embed")) as index:
        encoder = index.encoder
        assert isinstance(encoder, HttpEncoder)
    with pytest.raises(RuntimeError, match="closed"):
        encoder.encode_queries(["tea"])

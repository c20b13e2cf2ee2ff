"""What slow, broken and hostile clients get, over real sockets."""

import asyncio
import contextlib
import functools
import itertools
import logging
import socket
import sys
import threading
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.server.settings import Limits, Settings
from tests.server.edges.harness import PATIENCE, Connection, Edge, edge

pytestmark = pytest.mark.timeout(180)
HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"


def limits(**values: float) -> Settings:
    return Settings(limits=Limits(**values))  # type: ignore[arg-type]


def test_an_answer_and_the_next_one_on_the_same_connection() -> None:
    with edge() as server, server.connect() as client:
        assert client.post("/echo", b'{"a": 1}').read().json() == {"a": 1}
        assert client.post("/echo", b'{"a": 2}').read().json() == {"a": 2}


def test_a_slow_header_is_answered_and_closed() -> None:
    with edge(limits(header_seconds=0.2)) as server, server.connect() as client:
        answer = client.send(b"POST /rerank HTTP/1.1\r\nHost: lo").read()
        assert answer.status == 408
        assert "header_seconds" in answer.json()["error"]
        assert client.closed()
        assert server.metric("resift_refused_total", reason="header_seconds") == 1


def test_a_header_that_drips_for_ever_is_closed() -> None:
    with edge(limits(header_seconds=0.3)) as server, server.connect() as client:
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.05):
                try:
                    client.send(b"\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert client.closed()
        finally:
            stop.set()
            thread.join()


def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    with edge(limits(header_seconds=0.1)) as server, server.connect() as client:
        assert client.closed()


def test_an_idle_connection_is_closed() -> None:
    with edge(limits(keep_alive_seconds=0.1)) as server, server.connect() as client:
        assert client.post("/echo").read().status == 200
        assert client.closed()


@pytest.mark.parametrize(
    ("path", "key"), [("/rerank", "error_type"), ("/v2/rerank", "message"), ("/v1/score", "error")]
)
def test_a_slow_body_is_answered_in_the_dialect(path: str, key: str) -> None:
    with edge(limits(body_seconds=0.2)) as server, server.connect() as client:
        answer = client.post(path, b'{"que', length=100).read()
        assert answer.status == 408
        assert key in answer.json()
        assert b"body_seconds" in answer.body


@pytest.mark.parametrize("path", ["/wait", "/big?100000"])
def test_a_client_that_has_ended_its_sending_gets_its_answer(path: str) -> None:
    with edge() as server, server.connect() as client:
        client.post(path).shut()
        if path == "/wait":
            assert server.app.entered.acquire(timeout=PATIENCE)
            server.call(server.app.release.set)
        assert client.read().status == 200
        assert client.closed()
        assert not server.app.left.is_set()


def test_a_client_that_closes_is_noticed() -> None:
    with edge() as server:
        with server.connect() as client:
            client.post("/wait")
            assert server.app.entered.acquire(timeout=PATIENCE)
        assert server.app.left.wait(PATIENCE)


def test_a_client_that_ends_in_its_body_is_dropped() -> None:
    with edge() as server, server.connect() as client:
        assert client.post("/echo", b"{", length=10).shut().closed()
        assert server.app.scopes == []


def test_a_reset_is_noticed() -> None:
    with edge() as server:
        with server.connect() as client:
            client.post("/wait")
            assert server.app.entered.acquire(timeout=PATIENCE)
            client.reset()
        assert server.app.left.wait(PATIENCE)
        assert server.get("/echo").status == 200


def test_requests_in_a_row_are_answered_in_order() -> None:
    with edge() as server, server.connect() as client:
        for number in range(20):
            client.post("/echo", str(number).encode())
        assert [client.read().json() for _ in range(20)] == list(range(20))


def test_rubbish_behind_a_good_request_does_not_take_its_answer() -> None:
    with edge() as server, server.connect() as client:
        client.post("/wait").send(b"rubbish\r\n\r\n")
        assert server.app.entered.acquire(timeout=PATIENCE)
        server.call(server.app.release.set)
        assert client.read().body == b"waited"
        assert client.closed()


@pytest.mark.parametrize(
    "data",
    [
        b"rubbish\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        HEAD + b"Content-Length: many\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
        HEAD + b"Bad Header: 1\r\n\r\n",
    ],
    ids=["text", "tls", "no number", "negative", "two lengths", "two ways", "no size", "long chunk", "a name"],
)
def test_what_is_not_http_gets_400(data: bytes) -> None:
    with edge() as server, server.connect() as client:
        assert client.send(data).read().status == 400
        assert client.closed()
        assert server.metric("resift_refused_total", reason="malformed") == 1
        assert server.get("/echo").status == 200


def test_chunks_are_put_together() -> None:
    with edge() as server, server.connect() as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n")
        assert client.send(b"2\r\n2]\r\n0\r\n\r\n").read().json() == [1, 2]


def test_more_bytes_than_the_length_says_end_the_connection() -> None:
    with edge() as server, server.connect() as client:
        client.post("/echo", b"12", length=1)
        assert client.read().json() == 1
        assert client.closed()
        assert server.metric("resift_refused_total", reason="malformed") == 1


@pytest.mark.parametrize("parts", [1, 40])
def test_a_huge_header_gets_431(parts: int) -> None:
    with edge(limits(max_header_bytes=4096)) as server, server.connect() as client:
        client.send(HEAD + b"X-Long: ")
        try:
            for _ in range(parts):
                client.send(b"y" * (400_000 // parts))
            client.send(b"\r\n\r\n")
        except ConnectionError:
            pass  # it may have been closed before all was sent
        assert client.read().status == 431
        assert server.metric("resift_refused_total", reason="max_header_bytes") == 1


@pytest.mark.parametrize("part", [b"x-more: " + b"b" * 900 + b"\r\n", b"b" * 900])
def test_headers_behind_a_body_are_bounded_too(part: bytes) -> None:
    with edge(limits(max_header_bytes=4096)) as server, server.connect() as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-one: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                client.send(part)
        answer = client.read()
        assert answer.status == 431
        assert server.metric("resift_refused_total", reason="max_header_bytes") == 1
        assert server.app.scopes == []


def test_headers_behind_a_body_are_dropped() -> None:
    with edge() as server, server.connect() as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Api-Key: stolen\r\n\r\n")
        assert client.read().json() == {}
        assert b"x-api-key" not in dict(server.app.scopes[0]["headers"])
        assert client.post("/echo", b'{"a": 2}').read().json() == {"a": 2}


def test_a_header_within_the_limit_behind_a_large_body() -> None:
    with edge(limits(max_header_bytes=4096)) as server, server.connect() as client:
        body = b'"' + b"a" * 200_000 + b'"'
        client.post("/echo", body).post("/echo", body, headers={"X-Long": "y" * 3000})
        assert client.read().body == body
        assert client.read().body == body


def test_more_connections_than_the_limit_are_closed_at_once() -> None:
    with edge(limits(max_connections=2)) as server, server.connect() as first, server.connect() as second:
        for client in (first, second):
            assert client.post("/echo").read().status == 200
        with server.connect() as third:
            assert third.closed()
        assert server.metric("resift_refused_total", reason="max_connections") == 1
        assert first.post("/echo").read().status == 200


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    with edge(limits(write_seconds=0.2)) as server, server.connect(SO_RCVBUF=4096) as client:
        client.send(b"GET /big?20000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.sock.recv(1)  # it has begun; no more of it is read
        gone = threading.Event()
        threading.Thread(target=wait_for_end, args=(server, gone), daemon=True).start()
        assert gone.wait(PATIENCE)
        assert server.metric("resift_refused_total", reason="write_seconds") == 1


def wait_for_end(server: Edge, gone: threading.Event) -> None:
    asyncio.run_coroutine_threadsafe(server.listener.settle(PATIENCE, hurry=asyncio.Event()), server.loop).result()
    gone.set()


def test_a_slow_reader_gets_its_answer() -> None:
    with edge(limits(write_seconds=1.0)) as server, server.connect(SO_RCVBUF=4096) as client:
        client.send(b"GET /big?3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(client.read().body) == 3_000_000


def test_a_question_before_the_body_is_answered() -> None:
    with edge() as server, server.connect() as client:
        client.send(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.sock.recv(100).startswith(b"HTTP/1.1 100 ")
        assert client.send(b"17").read().json() == 17


def test_a_refusal_does_not_wait_for_a_body_that_was_not_sent() -> None:
    with edge(limits(max_body_bytes=10)) as server, server.connect() as client:
        client.send(HEAD + b"Content-Length: 200\r\nExpect: 100-continue\r\n\r\n")
        assert client.read().status == 413
        assert client.closed()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_of_another_protocol_is_ignored(protocol: str, whole: bool) -> None:
    """Java's HTTP client sends this before each body."""
    head = HEAD + f"Content-Length: 9\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\n".encode()
    with edge() as server, server.connect() as client:
        for _ in range(2):
            client.send(head + b"HTTP2-Settings: AAEAAEAAAAIAAAAA\r\n\r\n" + (b'{"a": [1]' if whole else b""))
            if not whole:
                client.send(b'{"a": [1]')
            assert client.read().body == b'{"a": [1]'
        assert client.post("/echo", b"2").read().body == b"2"


def test_a_proxy_is_not_what_it_is() -> None:
    with edge() as server, server.connect() as client:
        assert client.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n").read().status == 400


@given(st.lists(st.integers(1, 400), max_size=6), st.booleans())
@hypothesis.settings(max_examples=40)
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int], chunked: bool) -> None:
    with shared_edge().connect() as client:
        if chunked:
            first = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
        else:
            first = HEAD + b"Content-Length: 5\r\n\r\n[1,2]"
        stream = first + HEAD + b"Content-Length: 1\r\n\r\n3"
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        places = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
        for begin, end in itertools.pairwise(places):
            client.send(stream[begin:end])
        assert client.read().json() == [1, 2]
        assert client.read().json() == 3


@given(st.binary(min_size=1, max_size=300), st.sampled_from([b"", HEAD, HEAD + b"Transfer-Encoding: chunked\r\n\r\n"]))
@hypothesis.settings(max_examples=100)
def test_no_bytes_break_the_server(data: bytes, before: bytes) -> None:
    with shared_edge().connect() as client:
        try:
            client.send(before + data).shut()
            while client.sock.recv(65536):
                pass
        except ConnectionError:
            pass
    assert shared_edge().get("/echo").status == 200


@functools.cache
def shared_edge() -> Edge:
    """One edge for all examples of a property; it ends with the process."""
    return _open_edges.enter_context(edge())


_open_edges = contextlib.ExitStack()


@pytest.fixture(scope="module", autouse=True)
def close_shared() -> Iterator[None]:
    yield
    _open_edges.close()
    shared_edge.cache_clear()


@pytest.mark.parametrize(("sent", "length"), [(b'{"half', 100), (b"{}", 2)], ids=["in its body", "in work"])
def test_what_is_cut_off_at_the_end_is_no_defect(sent: bytes, length: int, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)
    try:
        with contextlib.ExitStack() as connections, edge() as server:
            client = connections.enter_context(server.connect())  # still there when the server ends
            client.post("/wait", sent, length=length)
            if len(sent) == length:
                assert server.app.entered.acquire(timeout=PATIENCE)
            while server.metric("resift_requests_in_flight") < 1:
                server.metrics.render()
        assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    finally:
        logger.removeHandler(caplog.handler)


def test_old_http_is_answered_and_closed() -> None:
    with edge() as server, server.connect() as client:
        answer = client.send(b"GET /echo HTTP/1.0\r\n\r\n").read()
        assert answer.status == 200
        assert client.closed()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets differ")
def test_many_connections_come_and_go() -> None:
    with edge() as server:
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        for client in clients[::2]:
            Connection(client).reset()
        for client in clients[1::2]:
            assert Connection(client).post("/echo", b"5").read().json() == 5
            client.close()
        wait_for_end(server, threading.Event())
        assert server.listener.connections == 0

"""Clients that are slow, leave, come in thousands, or ask the same thing at once."""

import resource
import socket
import threading
import time
from contextlib import ExitStack, closing

import pytest

from resift.bench.serve.connection import parse_answer
from tests.server.faults.live import TIMEOUT, assert_right, request, serving, texts

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def hasty(engine, tmp_path_factory):
    """A server without patience for slow clients."""
    options = ("--header-seconds", "1", "--body-seconds", "1", "--write-seconds", "1", "--keep-alive-seconds", "2")
    with serving(engine, tmp_path_factory.mktemp("hasty"), *options) as server:
        yield server


def test_thousands_of_connections(live) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with ExitStack() as stack:
        for _ in range(min(2000, allowed - 200)):
            stack.enter_context(closing(live.connect()))
        live.assert_well("among idle connections")


def test_equal_requests_at_once(live) -> None:
    query, documents = "the same question", texts(40, seed=3)
    expected = live.expected(query, documents)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(live.rank(query, documents))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(answers) == 32
    for status, body in answers:
        assert status == 200
        assert_right(body, expected)


def test_clients_that_leave(live) -> None:
    """Their work is withdrawn: the queue empties without it being done."""
    for i in range(100):
        with closing(live.connect()) as connection:
            connection.sendall(request(f"I am gone {i}", texts(200, seed=i, words=100)))
    live.assert_well("a storm")
    live.wait_for(lambda: live.metric("resift_queue_tokens") == 0, "an empty queue")


def test_half_closed_connections(live) -> None:
    query, documents = "half", texts(4, seed=9)
    received = bytearray(live.raw(request(query, documents), half_close=True))
    if received:  # a client that closed its side may be taken for one that left
        answer = parse_answer(received)
        assert answer is not None
        if answer[0].status == 200:
            assert_right(answer[0].body, live.expected(query, documents))


@pytest.mark.parametrize("part", [20, -20], ids=["headers", "body"])
def test_slow_writers_do_not_hold_a_connection(hasty, part: int) -> None:
    data = request("slow", texts(4, seed=2))
    with closing(hasty.connect()) as connection:
        connection.sendall(data[:part])
        hasty.assert_well("while one is slow")
        received = bytearray()
        while more := connection.recv(65536):
            received += more
    answer = parse_answer(received)
    assert answer is None or answer[0].status == 408
    hasty.assert_well()


def test_slow_readers_do_not_hold_a_connection(hasty) -> None:
    documents = ["x " * 20_000 + str(i) for i in range(400)]
    before = hasty.sockets()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT)
        connection.connect(("127.0.0.1", hasty.port))
        connection.sendall(request("slow", documents, return_documents=True))
        hasty.wait_for(lambda: hasty.sockets() > before, "the connection to be accepted")
        size = len("".join(documents))
        # Nothing is read until the server has the answer and gives up on us.
        hasty.wait_for(lambda: hasty.sockets() <= before, "the connection to be closed")
        received = 0
        try:
            while more := connection.recv(1 << 20):
                received += len(more)
        except ConnectionError:
            pass
    assert received < size
    hasty.assert_well()


def test_idle_connections_are_closed(hasty) -> None:
    with closing(hasty.connect()) as connection:
        start = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - start < TIMEOUT

"""The client on real connections: time, cancelling, threads, addresses. The servers are of this process."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from resift import AsyncClient, Client, Reranker
from resift.client.transport import Address
from resift.errors import EngineClosed, InputError, ServerError, TimedOut, Unavailable
from tests.client.fake import FakeServer

pytestmark = pytest.mark.timeout(60)


@contextmanager
def listening(answer: Callable[[httpx.Request], httpx.Response]) -> Iterator[str]:
    """Serve `answer` on a free port; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            response = answer(httpx.Request(self.command, f"http://here{self.path}", content=content))
            self.send_response(response.status_code)
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accept connections and let `talk` speak to each."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        stop = threading.Event()

        def loop() -> None:
            while not stop.is_set():
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                with connection:
                    talk(connection)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        stop.set()
        with socket.create_connection(door.getsockname()):
            pass
        thread.join()


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        yield reranker


def test_many_threads_share_one_client(reranker: Reranker) -> None:
    texts = [f"text {i}" for i in range(20)]
    with listening(FakeServer(reranker)) as url, Client(url) as client, ThreadPoolExecutor(8) as threads:
        rankings = list(threads.map(lambda i: client.rank(f"query {i}", texts), range(40)))
    assert rankings == [reranker.rank(f"query {i}", texts) for i in range(40)]


def test_many_tasks_share_one_client(reranker: Reranker) -> None:
    texts = [f"text {i}" for i in range(20)]

    async def ask(url: str) -> list[Any]:
        async with AsyncClient(url) as client:
            return await asyncio.gather(*(client.rank(f"query {i}", texts) for i in range(40)))

    with listening(FakeServer(reranker)) as url:
        rankings = asyncio.run(ask(url))
    assert rankings == [reranker.rank(f"query {i}", texts) for i in range(40)]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_the_address_may_end_as_for_other_clients(reranker: Reranker, path: str) -> None:
    server = FakeServer(reranker)
    with listening(server) as url, Client(url + path) as client:
        client.rank("q", ["a"])
    assert server.asked == ["/v1/rerank"]


def test_a_path_before_the_routes(reranker: Reranker) -> None:
    server = FakeServer(reranker)
    transport = httpx.MockTransport(server)
    with Client("http://gateway/search/rerank/v1", transport=transport) as client, pytest.raises(ServerError):
        client.info()
    assert server.asked == ["/search/rerank/info"]


def drip(connection: socket.socket) -> None:
    """Answer a byte at a time, so that no single read takes long."""
    connection.recv(65536)
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            threading.Event().wait(0.02)
    except OSError:
        pass


def test_the_timeout_is_of_the_whole_answer() -> None:
    with speaking(drip) as url:
        with Client(url, timeout=0.3) as client, pytest.raises(TimedOut, match="deadline_ms"):
            client.rank("q", ["a"])

        async def ask() -> None:
            async with AsyncClient(url, timeout=0.3) as client:
                await client.rank("q", ["a"])

        with pytest.raises(TimeoutError):
            asyncio.run(ask())


def test_a_server_that_hangs_up() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(10)

    with speaking(hang_up) as url, Client(url) as client, pytest.raises(ServerError, match="broke") as caught:
        client.rank("q", ["a"])
    assert type(caught.value) is ServerError


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    with Client(url, retries=1) as client:
        with pytest.raises(Unavailable, match="no connection") as caught:
            client.rank("q", ["a"])
        assert client.ready() is False
    assert isinstance(caught.value, ConnectionError)
    assert url in str(caught.value)


def test_messages_repeat_no_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Client(f"http://me:hunter2@127.0.0.1:{port}", retries=0) as client, pytest.raises(Unavailable) as lost:
        client.info()
    assert str(port) in str(lost.value) and "hunter2" not in str(lost.value)
    with pytest.raises(InputError) as wrong:
        Client("ftp://me:hunter2@localhost")
    assert "ftp://localhost" in str(wrong.value) and "hunter2" not in str(wrong.value)
    assert "hunter2" not in repr(Address("http://localhost", {"Authorization": "Bearer hunter2"}))


def test_closing_one_view_closes_all(reranker: Reranker) -> None:
    client = Client("http://server", transport=httpx.MockTransport(FakeServer(reranker)))
    view = client.with_options(scores="sigmoid")
    view.close()
    with pytest.raises(EngineClosed, match="closed"):
        client.rank("q", ["a"])


def test_cancelling_leaves_the_connection() -> None:
    came, left = threading.Event(), threading.Event()

    def wait_for_the_end(connection: socket.socket) -> None:
        connection.recv(65536)
        came.set()
        while connection.recv(65536):
            pass
        left.set()

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            task = asyncio.create_task(client.rank("q", ["a"]))
            await asyncio.to_thread(came.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(left.wait, 30)

    with speaking(wait_for_the_end) as url:
        asyncio.run(ask(url))

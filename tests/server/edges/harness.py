"""The edge around a small application, on a real port, driven by raw sockets."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from resift.server.drift import DriftWatch
from resift.server.edges.keys import KeyRing
from resift.server.edges.listener import Listener
from resift.server.edges.stack import wrap
from resift.server.edges.tracing import NoTracing, Tracing
from resift.server.metrics import Metrics
from resift.server.run import bind, open_tls
from resift.server.settings import Settings

PATIENCE = 60.0
"""Seconds after which a test that waits has failed: never part of what is tested."""
OWN_HEADERS = ((b"content-security-policy", b"default-src 'self'"), (b"referrer-policy", b"origin"))
PAGE = b"<!doctype html><script>let a = 1;</script><style>p {}</style><p>hello"


@dataclass
class Application:
    """Routes that show what the edge hands on."""

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Event = field(default_factory=threading.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        body: bytes = message["body"]
        match scope["path"]:
            case "/wait":
                if await self._wait(receive):
                    await answer(send, b"waited")
            case "/big":
                await answer(send, b"x" * int(scope["query_string"]))
            case "/page":
                await answer(send, PAGE, b"text/html; charset=utf-8")
            case "/own":
                await answer(send, PAGE, b"text/html", headers=OWN_HEADERS)
            case "/late":
                await answer(send, b"ok")
                raise RuntimeError(body)
            case "/halfway":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
                await send({"type": "http.response.body", "body": b"ha", "more_body": True})
                raise RuntimeError(body)
            case "/boom":
                raise RuntimeError(body)
            case "/missing":
                await answer(send, b"no", status=404)
            case _:
                await answer(send, body)

    async def _wait(self, receive: Receive) -> bool:
        """Wait for the test's leave to answer; False when the client leaves first."""
        self.entered.release()
        tasks = [asyncio.ensure_future(self.release.wait()), asyncio.ensure_future(receive())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1] in done and tasks[1].result()["type"] == "http.disconnect":
                asyncio.get_running_loop().call_soon(self.left.set)
                return False
            return True
        finally:
            for task in tasks:
                task.cancel()


async def answer(
    send: Send,
    body: bytes,
    kind: bytes = b"application/json",
    status: int = 200,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    headers = ((b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A client that sends what a test says, byte for byte."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock

    def send(self, data: bytes) -> "Connection":
        self.sock.sendall(data)
        return self

    def post(
        self, path: str, body: bytes = b"{}", *, length: int | None = None, headers: dict[str, str] | None = None
    ) -> "Connection":
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            f"Content-Length: {len(body) if length is None else length}",
        ]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def get(self, path: str, **headers: str) -> "Connection":
        lines = [f"GET {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        if not any(line.lower().startswith("host:") for line in lines):
            lines.append("Host: localhost")
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def read(self) -> Answer:
        """Read one answer, skipping interim ones other than 101."""
        response = _Response(self.sock)
        response.begin()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def closed(self) -> bool:
        """Wait until the server closes; True when it sent nothing more before."""
        try:
            return self.sock.recv(65536) == b""
        except ConnectionError:
            return True

    def shut(self) -> "Connection":
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Close so that the other side gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()


class _Response(http.client.HTTPResponse):
    """Reads byte by byte, so that the next answer of the same connection is not swallowed."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.fp.close()
        self.fp = sock.makefile("rb", buffering=0)

    def _safe_read(self, amt: int) -> bytes:
        parts = []
        while amt > 0 and (part := self.fp.read(amt)):
            parts.append(part)
            amt -= len(part)
        assert amt == 0, "the answer ends too soon"
        return b"".join(parts)


@dataclass
class Edge:
    """A running edge."""

    port: int
    app: Application
    metrics: Metrics
    ring: KeyRing
    listener: Listener
    loop: asyncio.AbstractEventLoop
    context: ssl.SSLContext | None = None
    failures: list[dict[str, Any]] = field(default_factory=list)

    @contextlib.contextmanager
    def connect(self, **options: int) -> Iterator[Connection]:
        with socket.socket() as plain:
            plain.settimeout(PATIENCE)
            for name, value in options.items():
                plain.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            plain.connect(("127.0.0.1", self.port))
            if self.context is None:
                yield Connection(plain)
            else:
                with self.context.wrap_socket(plain, server_hostname="localhost") as secured:
                    yield Connection(secured)

    def post(self, path: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Answer:
        with self.connect() as client:
            return client.post(path, body, headers=headers).read()

    def get(self, path: str, **headers: str) -> Answer:
        with self.connect() as client:
            return client.get(path, **headers).read()

    def call(self, action: Callable[[], Any]) -> None:
        self.loop.call_soon_threadsafe(action)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextlib.contextmanager
def edge(
    settings: Settings | None = None, *, tracing: Tracing | None = None, client: ssl.SSLContext | None = None
) -> Iterator[Edge]:
    """Run the edge on a free port, in a thread."""
    settings = settings if settings is not None else Settings()
    started: list[Edge] = []
    failures: list[dict[str, Any]] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        app = Application()
        ring = KeyRing(settings.api_keys, settings.api_keys_file)
        metrics = Metrics(DriftWatch(settings.drift_scores))
        routes = ("/echo", "/wait", "/big", "/page", "/boom", "/health", "/ready")
        wrapped = wrap(app, settings, ring=ring, metrics=metrics, tracing=tracing or NoTracing(), routes=routes)
        listener = Listener(wrapped, settings.limits, refused=metrics.refused)
        with contextlib.closing(bind("127.0.0.1", 0)) as listening:
            await listener.start(listening, open_tls(settings))
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
            port = listening.getsockname()[1]
            started.append(Edge(port, app, metrics, ring, listener, asyncio.get_running_loop(), client, failures))
            ready.set()
            await stop.wait()
            await listener.close()

    def work() -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield started[0]
    finally:
        started[0].call(stop.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert failures == []  # nothing went wrong where nobody looks


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    from resift.server import run

    return run._loop_factory()

"""One HTTP connection: what uvicorn's protocol does, and the patience and size that a client may claim.

uvicorn parses and answers. This adds: a bound on the time and the size of headers, on connections, and on answers
that nobody reads; answers in the route's dialect to what cannot be parsed; and the difference between a client that
has shut down its sending side and one that is gone.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from resift.server.bodies import error_response
from resift.server.errors import BadRequest, HeadersTooLarge, ServeError, TooSlow
from resift.server.settings import Limits

OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})
PROGRESS_BYTES = 65536
"""A slow reader keeps its connection when it takes so much of its answer in `write_seconds`."""
LINGER_SECONDS = 2.0
"""How long the rest of a refused request is read and dropped: closing at once would destroy the answer on its way."""
PROBES = (0.05, 0.2, 1.0, 4.0)
"""Seconds after the client's end of sending at which we look whether it is gone."""


class EdgeProtocol(HttpToolsProtocol):
    """A connection with limits.

    `refused` is told the reason for which one is closed or a request is not read, `gone` that one has ended.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        limits: Limits,
        refused: Callable[[str], None],
        gone: Callable[[], None],
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._limits = limits
        self._refused = refused
        self._gone = gone
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._deaf = False  # what still arrives is dropped
        self._ended = False  # nothing more will be read: close after the answers that are due
        self._in_headers = False
        self._in_body = False
        self._with_body = False  # what was received last had a part of a body
        self._header_bytes = 0
        self._unsent = 0
        self._fed = b""
        self._upgrading = False
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it when there are enough."""
        if len(self.connections) >= self._limits.max_connections:
            self.transport = transport
            self._deaf = True
            self._refused("max_connections")
            transport.abort()
            return
        super().connection_made(transport)
        self._arm("header", self._limits.header_seconds, self._header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request in work, of several in a row the one that is answered now, that nobody waits."""
        for name in list(self._timers):
            self._disarm(name)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._gone()

    def data_received(self, data: bytes) -> None:
        """Parse, within the bounds of time and size that headers have."""
        if self._deaf:
            return
        if not self._in_body:
            self._arm("header", self._limits.header_seconds, self._header_timeout)
        headers_only, body_only, self._with_body = self._in_headers, self._in_body, False
        self._fed = data
        super().data_received(data)
        self._fed = b""
        if (headers_only and self._in_headers) or (body_only and self._in_body and not self._with_body):
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.max_header_bytes:
                self._refuse_headers()

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_headers = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a chunked body (RFC 9110, 6.5) are dropped: no route knows any."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request unless its headers are too large."""
        self._upgrading = self.parser.should_upgrade()
        if self._upgrading:
            return
        self._in_headers = False
        self._in_body = True
        self._header_bytes = 0
        self._disarm("header")
        if self._deaf:
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.max_header_bytes:
            self._refuse_headers()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect the body of a request that was taken."""
        self._with_body = True
        self._header_bytes = 0
        if not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        if self._upgrading:
            return
        self._in_body = False
        if not self._deaf:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol as if it did not: the offer may be ignored.

        Subtle: the parser ends at such a request's headers, as if its body were of the other protocol. Java's client
        offers HTTP/2 with each first request, its body in HTTP/1.1.
        """
        stopped = sys.exception()
        rest = self._fed[stopped.args[0] :] if stopped is not None else b""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(BadRequest("CONNECT is for proxies, which this server is not"))
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [name + b": " + value for name, value in self.headers if name not in OFFER]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._running = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        """Go on with the next request, or close where none can come."""
        last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > 0:
            self._watch_writing()
        if last and (self._ended or self._in_body) and not self.transport.is_closing():
            self.transport.close()  # also after a refused body, of which nobody knows where it would end

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection while a complete request is in work: the client may still read its answer."""
        unfinished = self._in_body and self._running is self.cycle
        if unfinished or not self._busy() or self.scheme == "https":
            return False
        if not self._ended:
            self._ended = True
            self._probe(0)
        return True

    def _probe(self, attempt: int) -> None:
        """Find out whether a client that has ended its sending is gone.

        Subtle: a closed socket and a half-closed one look the same until something is written; then the closed one
        answers with a reset. An interim answer, which every HTTP/1.1 client skips, is what can be written meanwhile.
        """
        running = self._running
        if running is None or running.response_started or running.scope["http_version"] != "1.1":
            return
        if attempt == 0:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        else:
            peer = self.transport.get_extra_info("socket")
            if peer is not None and peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.transport.abort()
                return
        if attempt < len(PROBES):
            self._arm("probe", PROBES[attempt], lambda: self._probe(attempt + 1))

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._disarm("write")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, after the answers that are due before it."""
        self._refused("malformed")
        self._break_off(BadRequest(f"the request is not valid HTTP/1.1: {msg.rstrip('.').lower()}"))

    def _break_off(self, error: ServeError) -> None:
        if not self._busy():
            self._refuse(error)
            return
        running = self._running
        assert running is not None
        if running is self.cycle and self._in_body:
            started = running.response_started
            running.disconnected = True
            running.message_event.set()
            if started:
                self.transport.abort()
            else:
                self._refuse(error)
            return
        if self._in_body and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        self._deaf = self._ended = True

    def shutdown(self) -> None:
        """Close after the answer that is due; now, when there is none."""
        if self._deaf and self.transport.is_closing():
            return
        if self._busy():
            self._ended = True
            for cycle in (self._running, self.cycle):
                if cycle is not None and not self.pipeline:
                    cycle.keep_alive = False
        else:
            self.transport.close()

    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _refuse_headers(self) -> None:
        self._refused("max_header_bytes")
        limit = self._limits.max_header_bytes
        error = HeadersTooLarge(f"the request's headers are larger than {limit} bytes (max_header_bytes)")
        if self._in_body and self._header_bytes > limit:  # those behind a body
            self._break_off(error)
        elif self._busy():
            self._deaf = self._ended = True
        else:
            self._refuse(error)

    def _header_timeout(self) -> None:
        if self._busy():  # the client waits for us, not we for it
            self._arm("header", self._limits.header_seconds, self._header_timeout)
            return
        if not self._in_headers:
            self.transport.close()
            return
        self._refused("header_seconds")
        seconds = self._limits.header_seconds
        self._refuse(TooSlow(f"the request's headers took longer than {seconds:g} seconds (header_seconds)"))

    def _refuse(self, error: ServeError) -> None:
        """Answer without a route, read what the client still sends, and close."""
        self._deaf = True
        self.transport.write(_encode(error_response(self._path(), error), self.server_state.default_headers))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._arm("linger", LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()
        self._watch_writing()

    def _path(self) -> str:
        url: bytes = getattr(self, "url", b"") if self.headers is not None else b""
        return url.partition(b"?")[0].decode("latin-1") or "/"

    def _watch_writing(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._arm("write", self._limits.write_seconds, self._write_timeout)

    def _write_timeout(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0:
            return
        if unsent <= self._unsent - PROGRESS_BYTES:
            self._watch_writing()
            return
        self._refused("write_seconds")
        self.transport.abort()

    def _arm(self, name: str, seconds: float, action: Callable[[], Any]) -> None:
        """Call `action` in so many seconds, unless a timer of this name runs already."""
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, self._fire, name, action)

    def _fire(self, name: str, action: Callable[[], Any]) -> None:
        self._timers.pop(name, None)
        if not self.transport.is_closing() or name == "write":
            action()

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _encode(response: Response, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return a whole answer as it goes over the wire, after which the connection is closed."""
    lines = [f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()]
    headers = [*default_headers, *response.raw_headers, (b"connection", b"close")]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body)

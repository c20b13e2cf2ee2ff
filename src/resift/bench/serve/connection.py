"""A client connection that costs little: the generator of load shares the cores with the server that it measures."""

import asyncio
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_INTERIM, _OK = 100, 200
_LAST_CHUNK = b"0\r\n\r\n"


class Lost(Exception):
    """The server closed the connection before it had answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body; `close` when the server will not take another request on this connection."""

    status: int
    body: bytes
    close: bool = False


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._received = bytearray()

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        """Connect."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    async def request(self, raw: bytes) -> Answer:
        """Send the bytes of a request and wait for its answer; raises Lost when none comes."""
        if not self.usable or self._transport is None:
            raise Lost("the connection is closed")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Leave, whatever was asked for."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect an answer; wake the waiter with the whole of it."""
        self._received += data
        parsed = parse_answer(self._received)
        if parsed is None or self._waiter is None or self._waiter.done():
            return
        answer, used = parsed
        del self._received[:used]
        if answer.close and self._transport is not None:
            self._transport.close()
        self._waiter.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the waiter."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Lost(f"the connection was closed: {error if error is not None else 'by peer'}"))


def parse_answer(received: bytearray) -> tuple[Answer, int] | None:
    """Return the first answer of what was received, and its length; None while it is not complete.

    Interim answers (100 Continue) are passed over.
    """
    begin, status = 0, _INTERIM
    while status < _OK:
        end = received.find(_END_OF_HEAD, begin)
        if end < 0:
            return None
        head = bytes(received[begin:end]).split(b"\r\n")
        status = int(head[0].split(b" ", 2)[1])
        begin = end + len(_END_OF_HEAD)
    fields = {}
    for line in head[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip().lower()
    start = begin
    close = fields.get(b"connection") == b"close"
    if status in (204, 304):
        return Answer(status, b"", close), start
    if fields.get(b"transfer-encoding") == b"chunked":
        return _chunked(received, start, status, close)
    length = int(fields.get(b"content-length", b"0"))
    if len(received) < start + length:
        return None
    return Answer(status, bytes(received[start : start + length]), close), start + length


def _chunked(received: bytearray, start: int, status: int, close: bool) -> tuple[Answer, int] | None:
    if not received.endswith(_LAST_CHUNK):
        return None
    body, at = b"", start
    while True:
        line = received.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(received[at:line].split(b";")[0], 16)
        at = line + 2
        if size == 0:
            return Answer(status, body, close), at + 2
        body += received[at : at + size]
        at += size + 2


def post(path: str, body: bytes, *, host: str = "localhost") -> bytes:
    """Return the bytes of a request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str, *, host: str = "localhost") -> bytes:
    """Return the bytes of a request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

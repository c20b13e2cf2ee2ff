"""A request's body: read in time, unpacked, bounded in size and depth, before any route sees it."""

import asyncio
import zlib
from dataclasses import dataclass

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resift.server.edges.answers import refuse
from resift.server.errors import BadRequest, ClientGone, NotSupported, Overloaded, ServeError, TooLarge, TooSlow
from resift.server.settings import Limits

WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RETRY_AFTER = 1.0
ENCODINGS = ("gzip", "x-gzip", "deflate")
_MEMBERS = 1024
"""Parts of a gzip body, each packed alone; with 64 KiB in each, as usual, these are 64 MiB."""


class Body:
    """Reads the body of each request within the limits; the application gets it whole."""

    def __init__(self, app: ASGIApp, limits: Limits, *, keep: bool = False) -> None:
        self._app = app
        self._limits = limits
        self._keep = keep
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is over a limit; hand the rest on."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        held = _Held()
        try:
            await self._handle(scope, receive, send, held)
        finally:
            self._held -= held.size

    async def _handle(self, scope: Scope, receive: Receive, send: Send, held: "_Held") -> None:
        try:
            body = await self._read(scope, receive, held)
            check_shape(body, depth=self._limits.max_json_depth, values=self._limits.max_json_values)
        except ClientGone:
            return
        except ServeError as error:
            await refuse(scope, receive, send, error, unread=held.unread)
            return
        if self._keep:
            scope["state"]["body"] = body
        headers = [(name, value) for name, value in scope["headers"] if name not in _REPLACED]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
        unread = [body]

        async def whole() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        await self._app(scope, whole, send)

    async def _read(self, scope: Scope, receive: Receive, held: "_Held") -> bytes:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._limits.max_body_bytes:
            raise self._too_large(f"has {int(length)} bytes")
        unpack = _Unpacker.of(headers.get(b"content-encoding", b""), self._limits.max_body_bytes)
        parts: list[bytes] = []
        raw = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while held.unread:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ClientGone("the client left before its request was complete")
                    held.unread = message.get("more_body", False)
                    part = message.get("body", b"")
                    raw += len(part)
                    part = part if unpack is None else unpack.feed(part)
                    self._hold(part, held)
                    if max(raw, held.size) > self._limits.max_body_bytes:
                        raise self._too_large("is larger" if unpack is None else "is larger when unpacked")
                    parts.append(part)
        except TimeoutError:
            seconds = self._limits.body_seconds
            raise TooSlow(f"the request's body took longer than {seconds:g} seconds (body_seconds)") from None
        if unpack is not None:
            unpack.end()
        return b"".join(parts)

    def _hold(self, part: bytes, held: "_Held") -> None:
        """Count what is in memory, of this body and of all; raises Overloaded."""
        held.size += len(part)
        self._held += len(part)
        limit = self._limits.max_bodies_bytes
        if self._held > limit and self._held > held.size:  # one alone is bound by its own limit
            message = f"the bodies of all requests in work have more than {limit} bytes (max_bodies_bytes)"
            raise Overloaded(message, retry_after=RETRY_AFTER, hint="try again later")

    def _too_large(self, what: str) -> TooLarge:
        limit = self._limits.max_body_bytes
        return TooLarge(
            f"the request's body {what}, the limit is {limit} bytes (max_body_bytes)", hint="send fewer documents"
        )


@dataclass
class _Held:
    """How much of a body is in memory, and whether there is more to come."""

    size: int = 0
    unread: bool = True


_REPLACED = frozenset({b"content-length", b"content-encoding", b"transfer-encoding"})


class _Unpacker:
    """Unpacks gzip (of one or more members) or deflate, at most one byte more than `limit` in all."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._room = limit + 1
        self._stream = zlib.decompressobj(47 if name != "deflate" else 15)
        self._begun = False
        self._members = 1

    @classmethod
    def of(cls, encoding: bytes, limit: int) -> "_Unpacker | None":
        """Return what unpacks a Content-Encoding, None for a plain body; raises NotSupported."""
        name = encoding.decode("latin-1").strip().lower()
        if name in {"", "identity"}:
            return None
        if name not in ENCODINGS:
            raise NotSupported(f"Content-Encoding {name[:40]!r} is not supported", hint="gzip, deflate or none")
        return cls(name, limit)

    def feed(self, data: bytes) -> bytes:
        """Return what the data unpacks to; it stops at the limit, whatever is left."""
        out: list[bytes] = []
        try:
            while data and self._room > 0:
                out.append(self._some(data))
                self._room -= len(out[-1])
                if not self._stream.eof:
                    break
                data = self._stream.unused_data
                if data:
                    self._next_member()
                    self._stream = zlib.decompressobj(47)
        except zlib.error as error:
            raise BadRequest(f"the request's body is not valid {self._name}: {error}") from None
        return b"".join(out)

    def _next_member(self) -> None:
        """Count. Subtle: each is copied with all that follows it, so that very many empty ones would take minutes."""
        self._members += 1
        if self._members > _MEMBERS:
            raise BadRequest(f"the request's body is {self._name} of more than {_MEMBERS} parts")

    def _some(self, data: bytes) -> bytes:
        try:
            part = self._stream.decompress(data, self._room)
        except zlib.error:
            if self._begun or self._name != "deflate":
                raise
            self._stream = zlib.decompressobj(-15)  # deflate without its zlib frame: many clients mean this
            part = self._stream.decompress(data, self._room)
        self._begun = True
        return part

    def end(self) -> None:
        """Raise BadRequest when the data ended too soon."""
        if not self._stream.eof:
            raise BadRequest(f"the request's body is not valid {self._name}: it ends too soon")


def check_shape(body: bytes, *, depth: int, values: int) -> None:
    """Raise BadRequest when lists and objects lie deeper in each other than `depth`, TooLarge for more `values`.

    Does not parse. Subtle: a parser recurses, in some cases beyond its stack, before it could say so; and of `[[],[],`
    it makes twenty times as many bytes.
    """
    begun = body.count(b"[") + body.count(b"{")
    if begun <= depth and begun + body.count(b",") <= values:
        return
    # Escapes out, runs of backslashes from their left; then what has an even number of quotes before it is no text.
    marks = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), dtype=np.uint8)
    inside = np.cumsum(marks == 0x22, dtype=np.uint8) & 1  # an overflow leaves the last bit as it is
    marks = marks[(inside == 0) & _SIGNS[marks]]
    if int(np.count_nonzero(_BEGINS[marks])) > values:
        raise TooLarge(f"the JSON has more than {values} values (max_json_values)", hint="send fewer documents")
    deepest = int(_STEPS[marks].cumsum(dtype=np.int32).max(initial=0))
    if deepest > depth:
        raise BadRequest(f"the JSON lies {deepest} levels deep, the limit is {depth} (max_json_depth)")


_STEPS = np.zeros(256, np.int8)
_STEPS[[0x5B, 0x7B]] = 1
_STEPS[[0x5D, 0x7D]] = -1
_BEGINS = _STEPS > 0
_BEGINS[0x2C] = True
_SIGNS = _BEGINS | (_STEPS < 0)
"""By byte: how much deeper it leads, whether a value begins with it, and whether it does any of this."""

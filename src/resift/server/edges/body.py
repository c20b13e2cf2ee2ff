"""A request's body: read in time, unpacked, bounded in size and depth, before any route sees it."""

import asyncio
import re
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
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
"""JSON's texts; the last may lack its end, so that no body makes the search begin again and again."""


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
            check_depth(body, self._limits.max_json_depth)
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
                    self._stream = zlib.decompressobj(47)
        except zlib.error as error:
            raise BadRequest(f"the request's body is not valid {self._name}: {error}") from None
        return b"".join(out)

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


def check_depth(body: bytes, limit: int) -> None:
    """Raise BadRequest when lists and objects lie deeper in each other than `limit`. Does not parse.

    Subtle: a parser recurses, in some cases beyond its stack, before it could say so.
    """
    if body.count(b"[") + body.count(b"{") <= limit:
        return
    marks = np.frombuffer(STRINGS.sub(b"", body), dtype=np.uint8)
    steps = np.isin(marks, (0x5B, 0x7B)).astype(np.int32) - np.isin(marks, (0x5D, 0x7D)).astype(np.int32)
    depth = int(steps.cumsum().max(initial=0))
    if depth > limit:
        raise BadRequest(f"the JSON lies {depth} levels deep, the limit is {limit} (max_json_depth)")

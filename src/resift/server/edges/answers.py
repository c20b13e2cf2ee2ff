"""Answers to requests that reach no route: in its dialect's body, and so that the client gets to read them."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from resift.server.bodies import error_response
from resift.server.errors import ServeError

DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 * 1024 * 1024
"""How long, and how much of, a body that will not be used is read, so that the client gets to its answer."""


async def refuse(scope: Scope, receive: Receive, send: Send, error: ServeError, *, unread: bool = True) -> None:
    """Answer with an error before the body was read, or, when it is not `unread`, after.

    Subtle: most clients send all of their body before they read, and a connection that is closed on them then is
    reset: they never see why. So the answer goes out at once and the body is read to its end (within limits).
    """
    response = error_response(scope["path"], error)
    headers = list(response.raw_headers)
    invited = any(name == b"expect" for name, _ in scope["headers"])
    if invited and unread:  # the body has not been sent and will not be
        headers.append((b"connection", b"close"))
    scope.setdefault("state", {})["error"] = type(error).__name__
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    body = bytes(response.body)
    if unread and not invited and scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        body = b""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await _drop_body(receive)
        except TimeoutError:
            pass
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _drop_body(receive: Receive) -> None:
    dropped = 0
    while dropped < DRAIN_BYTES:
        message: Message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return

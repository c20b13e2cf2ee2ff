"""Headers that make browsers careful: of every answer, and a content policy for pages."""

import base64
import hashlib
import re
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
INLINE = re.compile(rb"<(script|style)\b([^>]*)>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)


@lru_cache(maxsize=8)
def content_policy(page: bytes) -> bytes:
    """Return the policy of a page that brings all it needs: its own inline scripts by their hashes, nothing else.

    It may call this server and draw with inline styles; it cannot load, send or be framed anywhere.
    """
    scripts = [body for kind, attributes, body in INLINE.findall(page) if kind.lower() == b"script" and body.strip()]
    digests = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src 'self' data:; "
        "font-src data:; connect-src 'self'; manifest-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ).encode()


class Headers:
    """Adds the headers; an answer that is a page is held until its policy is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and add to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        page = bytearray()

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with(list(message.get("headers", [])), ALWAYS)
                kind = dict(message["headers"]).get(b"content-type", b"")
                if kind.startswith(b"text/html") and scope["method"] != "HEAD":
                    held.append(message)
                    return
            elif held:
                page.extend(message.get("body", b""))
                if message.get("more_body", False):
                    return
                start = held.pop()
                start["headers"] = _with(start["headers"], _of_page(bytes(page)))
                await send(start)
                await send({"type": "http.response.body", "body": bytes(page), "more_body": False})
                return
            await send(message)

        await self._app(scope, receive, add)


def _of_page(page: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-frame-options", b"DENY"), (b"content-security-policy", content_policy(page))]


def _with(headers: list[tuple[bytes, bytes]], more: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers with those that are missing; a route knows its own answer best."""
    names = {name.lower() for name, _ in headers}
    return headers + [header for header in more if header[0] not in names]

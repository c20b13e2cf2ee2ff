"""The playground: a page at `/` for trying the server out. Its files need no build step and no outside resource."""

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

FILES = {
    "page.css": "text/css",
    "board.css": "text/css",
    "icon.svg": "image/svg+xml",
    "words.js": "text/javascript",
    "samples.js": "text/javascript",
    "parse.js": "text/javascript",
    "calls.js": "text/javascript",
    "board.js": "text/javascript",
    "explain.js": "text/javascript",
    "dom.js": "text/javascript",
    "keyboard.js": "text/javascript",
    "server.js": "text/javascript",
    "page.js": "text/javascript",
}
"""What the page loads, all from `/playground/`."""

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cache-Control": "no-cache",
}
"""A text that became markup in spite of everything could run nothing and call nobody."""


def playground_router() -> APIRouter:
    """Return the routes of the page; they need no API key, the page sends the one that is typed into it."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", _file("index.html", "text/html"), methods=["GET", "HEAD"])
    for name, kind in FILES.items():
        router.add_api_route(f"/playground/{name}", _file(name, kind), methods=["GET", "HEAD"])
    return router


def _file(name: str, kind: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return a route that answers with a file of this package, or 304 to who has it."""
    content = (files(__name__) / name).read_bytes()
    headers = HEADERS | {"ETag": f'"{blake2b(content, digest_size=8).hexdigest()}"'}

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=f"{kind}; charset=utf-8")

    return serve

"""The outermost layer: a name for each request, its log line, its measurements, and an answer whatever happens."""

import logging
import re
import time
import traceback
import uuid
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resift.server.bodies import error_response
from resift.server.edges.logs import REQUEST_ID
from resift.server.edges.tracing import Tracing
from resift.server.metrics import CONTENT_TYPE, Metrics

SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
QUIET = frozenset({"/health", "/ready", "/metrics"})
logger = logging.getLogger("resift.server")


class Observe:
    """Gives each request an id, and tells of it when it has ended.

    Args:
        routes: the paths of the server; any other is `other` in what is measured.
        documents: whether the body of a request may be in its log line.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, *, routes: Collection[str], tracing: Tracing, documents: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)
        self._tracing = tracing
        self._documents = documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and take note."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id_of(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        answer = {"status": 499, "bytes": 0, "ended": 0}  # what stays when the client leaves before it

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            else:
                answer["bytes"] += len(message.get("body", b""))
                answer["ended"] = int(not message.get("more_body", False))
            await send(message)

        token = REQUEST_ID.set(request_id)
        begun = time.perf_counter()
        route = scope["path"] if scope["path"] in self._routes else "other"
        try:
            with self._metrics.in_flight.track_inprogress(), self._tracing.request(scope, route, answer):
                await self._guard(scope, receive, note, answer)
        finally:
            self._tell(scope, route, answer, time.perf_counter() - begun)
            REQUEST_ID.reset(token)

    async def _guard(self, scope: Scope, receive: Receive, send: Send, answer: dict[str, int]) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # whatever it is, it is logged, and the client gets an answer
            frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            kind = type(error).__name__  # its message may quote a document
            what = f": {error}" if self._documents else ""
            logger.error(
                "a request failed in a way that nobody foresaw", extra={"traceback": f"{frames}\n{kind}{what}"}
            )
            if answer["ended"]:
                return
            if answer["status"] != 499:
                raise ConnectionAbortedError("an answer was broken off") from None
            response = error_response(scope["path"], 500, "the server failed on this request; its log says why")
            await response(scope, receive, send)

    def _tell(self, scope: Scope, route: str, answer: dict[str, int], seconds: float) -> None:
        status = answer["status"]
        self._metrics.answered(route, status, seconds)
        level = logging.DEBUG if route in QUIET and status < 400 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        client = scope.get("client")
        state = scope["state"]
        fields = {
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "ms": round(seconds * 1000, 3),
            "bytes": answer["bytes"],
            "client": client[0] if client else "-",
        }
        if "error" in state:
            fields["error"] = state["error"]
        if self._documents and "body" in state:
            fields["body"] = state["body"].decode("utf-8", "replace")
        logger.log(level, "request", extra=fields)


def _id_of(scope: Scope) -> str:
    """Return the client's own id when it is one that can stand in a header and a log, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return uuid.uuid4().hex


class MetricsRoute:
    """Answers GET /metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand the request on."""
        if scope["type"] != "http" or scope["path"] != "/metrics" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        body = self._metrics.render()
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

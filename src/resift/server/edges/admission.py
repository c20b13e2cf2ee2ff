"""How many requests may be in work at a time."""

from starlette.types import ASGIApp, Receive, Scope, Send

from resift.server.edges.answers import refuse
from resift.server.edges.body import RETRY_AFTER, WITH_BODY
from resift.server.errors import Overloaded


class Admission:
    """Answers 429 to requests with a body while `limit` of them are in work, their reading included."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        if self._in_work >= self._limit:
            message = f"{self._in_work} requests are in work, the limit is {self._limit} (max_requests)"
            await refuse(scope, receive, send, Overloaded(message, retry_after=RETRY_AFTER, hint="try again later"))
            return
        self._in_work += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_work -= 1

"""What a dialect's module says about a route, for the router and for the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects.desk import Desk

Handler: TypeAlias = Callable[[Desk, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One or more paths that one function answers.

    Attributes:
        paths: that it is found at.
        handler: called with the desk and the request.
        summary, description: for the documentation.
        tag: the dialect.
        method: `POST` with `bodies`, or `GET`.
        bodies: records of the bodies that it reads, any one of them.
        answer: type of the answer's JSON; None for an answer without a body.
        examples: bodies by title.
        errors: statuses of its errors.
    """

    paths: tuple[str, ...]
    handler: Handler
    summary: str
    description: str
    tag: str
    method: str = "POST"
    bodies: tuple[type[BaseModel], ...] = ()
    answer: Any = None
    examples: Mapping[str, object] = field(default_factory=dict)
    errors: tuple[int, ...] = (400, 401, 404, 408, 413, 422, 424, 429, 500, 503, 504)

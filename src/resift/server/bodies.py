"""The bodies of errors, in the dialect that the client of a path reads.

| Family | Paths | Body |
|---|---|---|
| `tei` | /predict, /similarity, /info, /health, /ready; `texts` | `{"error": text, "error_type": "Validation"}` |
| `either` | /rerank before its body is known | that of `tei` with `message` and `detail` |
| `union` | everything else | `{"message": text, "detail": text, "error": {"message", "type", "param", "code"}}` |

In `union`, Cohere's clients read `message`, those of Jina, Voyage and NVIDIA read `detail`, and those of vLLM and
OpenAI read `error`. The score routes, vLLM's alone, answer 400 where the others answer 422.

A request on which the model failed keeps its 424 in every family: clients send a request again after any 5xx, and
this one would fail again.
"""

import math
from http import HTTPStatus
from typing import Literal, TypeAlias

import orjson
from starlette.responses import Response

from resift.errors import InputError, ResiftError
from resift.server.errors import Empty, ServeError

Family: TypeAlias = Literal["tei", "either", "union", "score"]

_FAMILIES: dict[str, Family] = {
    "/predict": "tei",
    "/similarity": "tei",
    "/info": "tei",
    "/health": "tei",
    "/ready": "tei",
    "/rerank": "either",
    "/score": "score",
    "/v1/score": "score",
}
_TEI_TYPES = {401: "Unauthorized", 424: "Backend", 429: "Overloaded", 500: "Backend", 503: "Unhealthy", 504: "Backend"}
_OPENAI_TYPES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    408: "RequestTimeoutError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    424: "ModelError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
    504: "TimeoutError",
}


def family_of(path: str) -> Family:
    """Return the family of a path's errors, as far as the path alone tells."""
    return _FAMILIES.get(path, "union")


def status_of(error: ResiftError) -> int:
    """Return the status of an error: its own, 422 for the caller's data, 500 for any other."""
    if isinstance(error, ServeError):
        return error.status
    return 422 if isinstance(error, InputError) else 500


def error_response(
    path: str, error: ResiftError | int, message: str | None = None, *, family: Family | None = None
) -> Response:
    """Return an error in the dialect of a path.

    Args:
        path: of the request.
        error: what went wrong, or a status.
        message: instead of the error's own; for a status alone None gives its standard phrase.
        family: of the body, where more than the path is known.
    """
    family = family or family_of(path)
    status = error if isinstance(error, int) else status_of(error)
    text = message or (_phrase(error) if isinstance(error, int) else str(error))
    status = 400 if family == "score" and status == 422 else status
    return Response(
        orjson.dumps(_body(family, status, text, empty=isinstance(error, Empty))),
        status_code=status,
        headers=_headers(error, status),
        media_type="application/json",
    )


def _body(family: Family, status: int, text: str, *, empty: bool) -> dict[str, object]:
    tei: dict[str, object] = {
        "error": text,
        "error_type": "Empty" if empty else _TEI_TYPES.get(status, "Validation"),
    }
    if family == "tei":
        return tei
    plain: dict[str, object] = {"message": text, "detail": text}
    if family == "either":
        return tei | plain
    kind = _OPENAI_TYPES.get(status, "BadRequestError" if status < 500 else "InternalServerError")
    return plain | {"error": {"message": text, "type": kind, "param": None, "code": status}}


def _headers(error: ResiftError | int, status: int) -> dict[str, str]:
    headers = {}
    seconds = getattr(error, "retry_after", None)
    if seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"error {status}"

"""A request's body: bytes -> JSON -> a record that says what it lacks."""

import json
import re
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from resift.server.errors import BadRequest, Unprocessable
from resift.text.template import scrub

Body = TypeVar("Body", bound=BaseModel)

_SHOWN_ERRORS = 3
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_object(request: Request) -> dict[str, object]:
    """Return the JSON object of a request's body, whatever content type it claims; raises BadRequest."""
    value = parse_json(await request.body())
    if not isinstance(value, dict):
        raise BadRequest(f"the body is {_kind(value)}, expected a JSON object")
    return value


def parse_json(body: bytes) -> object:
    """Return the value of a JSON text in UTF-8.

    A byte order mark is skipped and half a surrogate pair becomes U+FFFD, so that one bad document fails no others.
    NaN, infinity and more than about a thousand levels are refused; of equal keys the last one counts.

    Raises:
        BadRequest: naming the place of the first byte that is not JSON.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise BadRequest("the body is empty, expected a JSON object")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not _LONE_SURROGATE.search(body):
            raise BadRequest(f"the body is not JSON: {_place(body, error)}") from None
    return _parse_surrogates(body)


def validate(model: type[Body], value: dict[str, object]) -> Body:
    """Return the body as a record; raises Unprocessable naming up to three fields that are wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Unprocessable(_told(error)) from None


def _parse_surrogates(body: bytes) -> object:
    """Parse with the standard library, which accepts half a pair; it is slower, and only such bodies come here."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_int=_bounded)
        return _scrubbed(value)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON number")


def _bounded(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


def _scrubbed(value: object) -> object:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {scrub(name): _scrubbed(item) for name, item in value.items()}
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _place(body: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as malformed:
        return f"byte {malformed.start} (0x{body[malformed.start]:02x}) is not UTF-8"
    return str(error)


def _told(error: ValidationError) -> str:
    """Return one sentence a field, without the values: they may be long, and are the client's own."""
    details = error.errors(include_url=False, include_context=False, include_input=True)
    lines = []
    for detail in details[:_SHOWN_ERRORS]:
        field = ".".join(str(part) for part in detail["loc"]) or "the body"
        if detail["type"] == "missing":
            lines.append(f"{field} is missing")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            lines.append(f"{field} is {_kind(detail['input'])}: {message[:1].lower()}{message[1:]}")
    more = len(details) - _SHOWN_ERRORS
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _kind(value: object) -> str:
    """Return what JSON calls a value, with the value itself where it is short."""
    if value is None or isinstance(value, bool | int | float):
        return str(json.dumps(value))[:40]
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else f"a text of {len(value)} characters"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"

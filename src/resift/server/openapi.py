"""The OpenAPI document of the routes, which parse their bodies by hand."""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from resift.server.bodies import Family, family_of
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.fields import ResiftFields

_REF = "#/components/schemas/{model}"


class TeiError(BaseModel):
    """An error in the dialect of Text Embeddings Inference."""

    error: str
    error_type: Literal["Validation", "Empty", "Overloaded", "Backend", "Unhealthy", "Unauthorized"]


class ErrorObject(BaseModel):
    """What vLLM's and OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: int


class UnionError(BaseModel):
    """An error as Cohere (`message`), Jina and Voyage (`detail`), vLLM and OpenAI (`error`) read it."""

    message: str
    detail: str
    error: ErrorObject


class EarlyError(TeiError):
    """An error on /rerank before its body is known: of Text Embeddings Inference, Cohere and Jina at once."""

    message: str
    detail: str


_ERRORS: dict[Family, Any] = {
    "tei": TeiError,
    "either": TeiError | EarlyError | UnionError,
    "union": UnionError,
    "score": UnionError,
}
_MEANINGS = {
    400: "The body is not JSON, or there is nothing to score.",
    401: "No API key, or one that is not known.",
    404: "No such model.",
    408: "The request did not come in time.",
    413: "Over a limit, which the message names.",
    422: "A field is wrong, which the message names.",
    424: "The model failed on this request.",
    429: "The queue is full: come back after `Retry-After` seconds.",
    500: "A defect of the server.",
    503: "The engine is starting, restarting or shutting down.",
    504: "The deadline came before any score was known.",
}


def responses(endpoint: Endpoint, path: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a path for FastAPI's `responses`."""
    found: dict[int | str, dict[str, Any]] = {200: {"description": "The answer."}}
    if endpoint.answer is not None:
        found[200]["model"] = endpoint.answer
    family = family_of(path)
    errors = _ERRORS["either" if len(endpoint.bodies) > 1 else family]  # of several bodies, one is TEI's
    for status in endpoint.errors:
        if not (family == "score" and status == 422):
            found[status] = {"description": _MEANINGS[status], "model": errors}
    return found


def request_body(endpoint: Endpoint) -> dict[str, Any]:
    """Return the part of `openapi_extra` that describes the body; empty without one."""
    if not endpoint.bodies:
        return {}
    refs = [{"$ref": _REF.format(model=body.__name__)} for body in endpoint.bodies]
    content: dict[str, Any] = {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}}
    content["examples"] = {
        title.replace(" ", "-").replace(",", ""): {"summary": title, "value": value}
        for title, value in endpoint.examples.items()
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def document(api: FastAPI, endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Return the OpenAPI document with the schemas of all bodies."""
    whole = get_openapi(title=api.title, version=version, summary=api.summary, routes=api.routes)
    bodies = [(body, "validation") for endpoint in endpoints for body in endpoint.bodies]
    _, schemas = models_json_schema(bodies, ref_template=_REF)  # type: ignore[arg-type]
    for body, _ in bodies:
        _own_first(schemas["$defs"][body.__name__])
    whole.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    return whole


def _own_first(schema: dict[str, Any]) -> None:
    """Sort a body's fields: the required ones, those of its dialect, those that all dialects share."""
    required = schema.get("required", ())

    def rank(name: str) -> tuple[bool, bool]:
        return name not in required, name in ResiftFields.model_fields

    schema["properties"] = {name: schema["properties"][name] for name in sorted(schema["properties"], key=rank)}

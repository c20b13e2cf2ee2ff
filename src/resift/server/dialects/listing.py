"""What the server is: models, limits and whether it works."""

from dataclasses import asdict
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from resift import __version__
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.errors import Unavailable
from resift.server.records import ModelCard


class ModelItem(BaseModel):
    """A model of this server."""

    id: str
    object: str
    created: int
    owned_by: str | None = None
    stats: dict[str, Any]
    max_model_len: int
    backend: str
    capabilities: list[str]
    info: dict[str, Any]
    calibration: dict[str, Any] | None = Field(
        description="Name and groups of the calibration; null: there are no calibrated scores."
    )


class ModelList(BaseModel):
    """The models, the default one first."""

    object: str
    data: list[ModelItem]


class Info(BaseModel):
    """The first model and the limits, as Text Embeddings Inference tells them."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int | None
    version: str
    sha: str | None
    docker_label: str | None
    models: list[str]


async def models(desk: Desk, request: Request) -> Response:
    """Answer `/v1/models` as OpenAI's clients read it, and `/models` as infinity's does.

    The latter must find `stats`, and takes no other owner than infinity itself: there it is left out.
    """
    owner = {} if request.url.path == "/models" else {"owned_by": "resift"}
    return _json({"object": "list", "data": [_item(card) | owner for card in desk.service.models]})


async def info(desk: Desk, _: Request) -> Response:
    """Answer `/info`."""
    card = desk.service.models[0]
    limits = desk.settings.limits
    return _json(
        {
            "model_id": card.info.model,
            "model_sha": card.info.revision,
            "model_dtype": card.info.precision,
            "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "max_concurrent_requests": limits.max_requests,
            "max_input_length": card.info.max_length,
            "max_batch_tokens": desk.settings.max_batch_tokens,
            "max_batch_requests": None,
            "max_client_batch_size": limits.max_documents,
            "auto_truncate": True,
            "tokenization_workers": None,
            "version": __version__,
            "sha": None,
            "docker_label": None,
            "models": [known.name for known in desk.service.models],
        }
    )


async def health(_: Desk, __: Request) -> Response:
    """Answer 200 as long as the process answers at all."""
    return Response(status_code=200)


async def ready(desk: Desk, _: Request) -> Response:
    """Answer 200 when work would be run now; raises Unavailable."""
    if not desk.service.ready:
        raise Unavailable("the engine is not ready: it is starting, restarting or shutting down")
    return Response(status_code=200)


def _item(card: ModelCard) -> dict[str, object]:
    known = card.info
    return {
        "id": card.name,
        "object": "model",
        "created": card.created,
        "max_model_len": card.max_length,
        "backend": known.backend,
        "capabilities": ["rerank"],
        "stats": {},
        "info": {name: getattr(known, name) for name in known.__slots__},
        "calibration": asdict(card.calibration) if card.calibration is not None else None,
    }


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


_TAG = "Server"
ENDPOINTS = (
    Endpoint(
        paths=("/models", "/v1/models"),
        handler=models,
        summary="The models",
        description="The default one first.",
        tag=_TAG,
        method="GET",
        answer=ModelList,
        errors=(401,),
    ),
    Endpoint(
        paths=("/info",),
        handler=info,
        summary="The first model and the limits",
        description="In the form of Text Embeddings Inference.",
        tag=_TAG,
        method="GET",
        answer=Info,
        errors=(401,),
    ),
    Endpoint(
        paths=("/health",),
        handler=health,
        summary="Whether the process lives",
        description="200 as long as the server answers, also while the engine restarts: restarting the server then "
        "would only take longer. Ask /ready whether to send requests.",
        tag=_TAG,
        method="GET",
        errors=(),
    ),
    Endpoint(
        paths=("/ready",),
        handler=ready,
        summary="Whether requests would be answered now",
        description="503 while the engine starts, restarts or shuts down.",
        tag=_TAG,
        method="GET",
        errors=(503,),
    ),
)

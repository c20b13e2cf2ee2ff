"""vLLM: `/score` and `/v1/score`, scores of pairs in input order."""

import time
import uuid
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AliasChoices, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects.answers import answer, notes, remarks, usage
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.extras import Notes, Remarks, Usage
from resift.server.dialects.fields import Flag, ResiftFields, token_limit
from resift.server.dialects.reading import read_object, validate
from resift.server.errors import Empty, Unprocessable

_SIDE = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}
_DOCUMENT = {"anyOf": [{"type": "string"}, {"type": "object"}]}
_DOCUMENTS = {"anyOf": [*_DOCUMENT["anyOf"], {"type": "array", "minItems": 1, "items": _DOCUMENT}]}


class Score(ResiftFields):
    """One query with all documents, or as many queries as documents."""

    queries: Annotated[Any, WithJsonSchema(_SIDE)] = Field(
        validation_alias=AliasChoices("queries", "text_1", "data_1"), description="Also `text_1`, `data_1`."
    )
    documents: Annotated[Any, WithJsonSchema(_DOCUMENTS)] = Field(
        validation_alias=AliasChoices("documents", "items", "text_2", "data_2"),
        description="Also `items`, `text_2`, `data_2`.",
    )
    use_activation: Flag | None = Field(
        None, validation_alias=AliasChoices("use_activation", "activation"), description="`false` gives logits."
    )
    max_tokens_per_doc: int | None = Field(None, ge=1, description="Cut documents first.")
    max_tokens_per_query: int | None = Field(None, ge=1, description="Cut queries first.")
    truncate_prompt_tokens: int | None = Field(None, ge=-1, description="As `max_length`; -1 for the model's.")


class ScoreItem(Notes):
    """The score of one pair."""

    index: int
    object: str
    score: float


class ScoreAnswer(Remarks):
    """Scores in input order."""

    id: str
    object: str
    created: int
    model: str
    data: list[ScoreItem]
    usage: Usage


async def score(desk: Desk, request: Request) -> Response:
    """Answer `/score`."""
    body = validate(Score, await read_object(request))
    card = desk.card(body.model)
    pairs = _pairs(_listed(body.queries), _listed(body.documents))
    work = desk.work(request, body, pairs, model=card, raw=body.use_activation is False)
    work = replace(
        work,
        max_length=token_limit(body.max_length, body.truncate_prompt_tokens, card.max_length),
        query_tokens=body.max_tokens_per_query,
        document_tokens=body.max_tokens_per_doc,
    )
    outcome = await desk.run(request, work)
    data = [
        {"index": i, "object": "score", "score": scored.score} | notes(scored, body)
        for i, scored in enumerate(outcome.scored)
    ]
    whole = {
        "id": f"score-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": card.name,
        "data": data,
        "usage": usage(outcome),
    }
    return answer(whole | remarks(outcome, body), outcome)


def _listed(side: object) -> list[object]:
    return side if isinstance(side, list) else [side]


def _pairs(queries: list[object], documents: list[object]) -> list[tuple[object, object]]:
    for name, side in (("queries", queries), ("documents", documents)):
        if not side:
            raise Empty(f"{name} is empty, expected at least one")
    if len(queries) == 1:
        return [(queries[0], document) for document in documents]
    if len(queries) != len(documents):
        raise Unprocessable(
            f"{len(queries)} queries and {len(documents)} documents, expected one query, or as many as documents"
        )
    return list(zip(queries, documents, strict=True))


ENDPOINTS = (
    Endpoint(
        paths=("/score", "/v1/score"),
        handler=score,
        summary="Score pairs",
        description="Scores in input order, of one query with all documents or of as many queries as documents.",
        tag="vLLM",
        bodies=(Score,),
        answer=ScoreAnswer,
        examples={
            "one query": {"queries": "capital of France", "documents": ["Berlin.", "Paris."]},
            "pairs": {"text_1": ["capital of France", "capital of Spain"], "text_2": ["Paris.", "Madrid."]},
        },
    ),
)

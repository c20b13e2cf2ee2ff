"""Mixedbread: `/v1/reranking`."""

from dataclasses import replace
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects.answers import answer, best_first, notes, remarks, usage
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.extras import Notes, Remarks, Usage
from resift.server.dialects.fields import Documents, Flag, Names, Query, ResiftFields, ranked_fields
from resift.server.dialects.reading import read_object, validate


class Reranking(ResiftFields):
    """A query and the inputs to rank."""

    query: Query
    input: Documents
    top_k: int | None = Field(None, ge=0, description="Results to return; all for null or 0.")
    return_input: Flag = Field(False, description="Each result with its input.")
    rank_fields: Names | None = Field(None, description="Fields of inputs that are objects.")


class RerankingItem(Notes):
    """One input's place; the best comes first."""

    index: int
    score: float
    object: str
    input: Any = None


class RerankingAnswer(Remarks):
    """The inputs, best first."""

    object: str
    model: str
    data: list[RerankingItem]
    usage: Usage
    top_k: int
    return_input: bool


async def reranking(desk: Desk, request: Request) -> Response:
    """Answer `/v1/reranking`."""
    body = validate(Reranking, await read_object(request))
    card = desk.card(body.model)
    work = desk.work(request, body, [(body.query, item) for item in body.input], model=card, what="input")
    if work.template is None:
        work = replace(work, template=ranked_fields(body.rank_fields))
    outcome = await desk.run(request, work)
    data = []
    for index in best_first(outcome, body.top_k):
        scored = outcome.scored[index]
        item: dict[str, object] = {"index": index, "score": scored.score, "object": "rank_result"}
        if body.return_input:
            item["input"] = body.input[index]
        data.append(item | notes(scored, body))
    whole = {
        "object": "list",
        "model": card.name,
        "data": data,
        "usage": usage(outcome),
        "top_k": len(data),
        "return_input": body.return_input,
    }
    return answer(whole | remarks(outcome, body), outcome)


ENDPOINTS = (
    Endpoint(
        paths=("/v1/reranking",),
        handler=reranking,
        summary="Rank inputs",
        description="All inputs come back, unless `top_k` says otherwise.",
        tag="Mixedbread",
        bodies=(Reranking,),
        answer=RerankingAnswer,
        examples={"reranking": {"query": "capital of France", "input": ["Berlin.", "Paris."], "return_input": True}},
    ),
)

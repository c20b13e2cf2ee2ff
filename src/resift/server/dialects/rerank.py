"""`/rerank`, `/v1/rerank` and `/v2/rerank`: TEI, Cohere, Jina, vLLM, infinity and Voyage share them.

What a body is follows from its fields: `texts` without `documents` is TEI's; `top_k`, or a boolean `truncation`, is
Voyage's unless there is a `top_n`; all others get the union of what the rest answer.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects import tei
from resift.server.dialects.answers import answer, best_first, notes, remarks, search_units, usage
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.extras import Notes, Remarks, Usage
from resift.server.dialects.fields import Documents, Flag, Names, Query, ResiftFields, ranked_fields, token_limit
from resift.server.dialects.reading import read_object, validate
from resift.server.errors import Unprocessable
from resift.server.records import ModelCard, Outcome, Work


class Rerank(ResiftFields):
    """A query and the documents to rank: Cohere v1 and v2, Jina, vLLM, infinity."""

    query: Query
    documents: Documents
    top_n: int | None = Field(None, ge=0, description="Results to return; all for null or 0.")
    return_documents: Flag | None = Field(
        None, description="Each result with its document: true by default on /rerank and /v1/rerank, else false."
    )
    rank_fields: Names | None = Field(None, description="Fields of documents that are objects; Cohere v1.")
    max_tokens_per_doc: int | None = Field(None, ge=1, description="Cut documents first; Cohere v2, vLLM.")
    max_tokens_per_query: int | None = Field(None, ge=1, description="Cut the query first; vLLM.")
    truncate_prompt_tokens: int | None = Field(None, ge=-1, description="As `max_length`; -1 for the model's; vLLM.")


class RerankResult(Notes):
    """One document's place; the best comes first."""

    index: int
    relevance_score: float
    document: dict[str, Any] | None = Field(None, description='As it was sent; a text becomes `{"text": ...}`.')


class RerankAnswer(Remarks):
    """The union of what Cohere, Jina and vLLM answer."""

    id: str
    model: str
    results: list[RerankResult]
    usage: Usage
    meta: dict[str, Any] = Field(description="Cohere's version of the interface and billed units.")


class Voyage(ResiftFields):
    """A query and the documents to rank, as Voyage's client sends them."""

    query: Query
    documents: Documents
    top_k: int | None = Field(None, ge=0, description="Results to return; all for null or 0.")
    return_documents: Flag = Field(False, description="Each result with its document.")


class VoyageResult(Notes):
    """One document's place; the best comes first."""

    index: int
    relevance_score: float
    document: Any = None


class VoyageAnswer(Remarks):
    """What Voyage's client reads."""

    object: str
    data: list[VoyageResult]
    model: str
    usage: Usage


async def rerank(desk: Desk, request: Request) -> Response:
    """Answer a body in the dialect that its fields tell."""
    value = await read_object(request)
    if value.get("documents") is None:
        if value.get("texts") is not None:
            return await tei.rerank(desk, request, value)
        raise Unprocessable("there are neither documents nor texts to rank")
    request.state.family = "union"
    if _is_voyage(value):
        return await _voyage(desk, request, value)
    return await _union(desk, request, value)


async def _union(desk: Desk, request: Request, value: dict[str, object]) -> Response:
    body = validate(Rerank, value)
    card = desk.card(body.model)
    work = desk.work(request, body, [(body.query, document) for document in body.documents], model=card)
    outcome = await desk.run(request, _narrowed(work, body, card))
    second = request.url.path == "/v2/rerank"
    with_documents = body.return_documents if body.return_documents is not None else not second
    results = []
    for index in best_first(outcome, body.top_n):
        scored = outcome.scored[index]
        result: dict[str, object] = {"index": index, "relevance_score": scored.score}
        if with_documents and isinstance(body.documents[index], str | Mapping):
            result["document"] = _shown(body.documents[index])
        results.append(result | notes(scored, body))
    return answer(_union_body(card, outcome, results, version="2" if second else "1") | remarks(outcome, body), outcome)


def _union_body(
    card: ModelCard, outcome: Outcome, results: list[dict[str, object]], *, version: str
) -> dict[str, object]:
    return {
        "id": str(uuid.uuid4()),
        "model": card.name,
        "results": results,
        "usage": usage(outcome),
        "meta": {
            "api_version": {"version": version},
            "billed_units": {"search_units": search_units(len(outcome.scored))},
            "tokens": {"input_tokens": outcome.tokens},
        },
    }


async def _voyage(desk: Desk, request: Request, value: dict[str, object]) -> Response:
    body = validate(Voyage, value)
    card = desk.card(body.model)
    work = desk.work(request, body, [(body.query, document) for document in body.documents], model=card)
    outcome = await desk.run(request, work)
    data = []
    for index in best_first(outcome, body.top_k):
        scored = outcome.scored[index]
        result: dict[str, object] = {"object": "reranking", "index": index, "relevance_score": scored.score}
        if body.return_documents:
            result["document"] = body.documents[index]
        data.append(result | notes(scored, body))
    whole = {"object": "list", "data": data, "model": card.name, "usage": usage(outcome)}
    return answer(whole | remarks(outcome, body), outcome)


def _is_voyage(value: Mapping[str, object]) -> bool:
    """Whether a body is Voyage's: its client always sends `top_k`, if only as null, and a boolean `truncation`."""
    return "top_n" not in value and ("top_k" in value or isinstance(value.get("truncation"), bool))


def _narrowed(work: Work, body: Rerank, card: ModelCard) -> Work:
    """Return the work with the union's own limits and fields."""
    return replace(
        work,
        max_length=token_limit(body.max_length, body.truncate_prompt_tokens, card.max_length),
        query_tokens=body.max_tokens_per_query,
        document_tokens=body.max_tokens_per_doc,
        template=work.template if work.template is not None else ranked_fields(body.rank_fields),
    )


def _shown(document: object) -> object:
    """Return the document in the form of Cohere, Jina and vLLM."""
    return document if isinstance(document, Mapping) else {"text": document}


_EXAMPLE = {
    "query": "capital of France",
    "documents": ["Berlin is in Germany.", "Paris is the capital of France."],
}
_TEXT = (
    "The dialect follows from the body: `texts` is Text Embeddings Inference; `top_k`, or a boolean `truncation`, "
    "is Voyage; otherwise the answer is the union of what Cohere v1 and v2, Jina, vLLM and infinity give."
)

ENDPOINTS = (
    Endpoint(
        paths=("/rerank", "/v1/rerank", "/v2/rerank"),
        handler=rerank,
        summary="Rank documents",
        description=_TEXT,
        tag="Rerank",
        bodies=(Rerank, tei.TeiRerank, Voyage),
        answer=RerankAnswer | VoyageAnswer | list[tei.TeiRank],
        examples={
            "Cohere, Jina, vLLM": _EXAMPLE | {"top_n": 1, "return_documents": True},
            "Text Embeddings Inference": {"query": _EXAMPLE["query"], "texts": _EXAMPLE["documents"]},
            "Voyage": _EXAMPLE | {"top_k": 1},
            "documents with fields": {
                "query": "red kettle",
                "documents": [{"title": "Kettle", "colour": "red"}, {"title": "Mug", "colour": "blue"}],
            },
        },
    ),
)

"""`POST /explain`: which sentence of a document carried its score, and how far that can be trusted."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from resift.explanation import Explanation, explaining
from resift.server.dialects.answers import answer
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.fields import Query, ResiftFields
from resift.server.dialects.reading import read_object, validate
from resift.server.errors import DeadlinePassed, Unprocessable
from resift.server.records import Outcome, Timings, Work
from resift.text.template import Template, document_text
from resift.types import ScoreType


def _document(value: object) -> object:
    if not isinstance(value, str | dict):
        raise ValueError("expected a text or an object of fields")  # noqa: TRY004  (pydantic turns this into its own)
    return value


_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object"}]}


class Explain(ResiftFields):
    """A query and one document."""

    query: Query
    document: Annotated[Any, BeforeValidator(_document), WithJsonSchema(_SCHEMA)] = Field(
        description="A text, or an object that the template makes a text of."
    )


class SentenceNote(BaseModel):
    """A sentence of the document; in long ones, several that stand together."""

    text: str
    start: int = Field(description="Its first character (Unicode code point) in the document's text.")
    end: int
    score_without: float = Field(description="Score of the document without it.")
    contribution: float = Field(description="How much it raised the score.")
    read: bool = Field(description="False behind the model's limit of tokens: it took no part.")


class FaithfulnessNote(BaseModel):
    """How far the contributions can be trusted."""

    comprehensiveness: float = Field(description="Drop of the score without the best sentences; higher is better.")
    sufficiency: float = Field(description="Drop of the score with the best sentences alone; lower is better.")
    best_alone: float = Field(description="Score of the best sentence alone.")
    agreement: float | None = Field(
        description="How often, of two cuts of the text, the one that the contributions say hurts more did hurt more."
    )


class ExplainAnswer(BaseModel):
    """What the score of one document is made of."""

    model: str
    score: float
    scores: str = Field(description="Scale of all scores here: `sigmoid` or `raw`.")
    text: str = Field(description="The document's text, to which the sentences' places refer.")
    sentences: list[SentenceNote]
    best: int | None = Field(description="Place of the sentence with the highest contribution.")
    faithfulness: FaithfulnessNote | None
    truncated: bool
    grouped: bool = Field(description="There are so many sentences that neighbours were left out together.")
    tokens: int
    timings: dict[str, float] = Field(description="Milliseconds of each stage.")


async def explain(desk: Desk, request: Request) -> Response:
    """Leave each sentence of the document out and score what is left."""
    body = validate(Explain, await read_object(request))
    card = desk.card(body.model)
    limit = desk.settings.limits.max_text_characters
    text = document_text(body.document, _template(desk, body, card.name), most=limit)
    scores: ScoreType = "sigmoid"
    if body.scores == "calibrated":
        raise Unprocessable("explanations are of raw scores or sigmoids", hint="scores: sigmoid")
    if body.scores is not None:
        scores = body.scores
    work = desk.work(request, body, [(body.query, text)], model=card, what="document")
    raw = replace(work, scores="raw")
    first, read = await _first(desk, request, raw)
    talk = explaining(text, read=read, scores=scores)
    texts, outcomes = await asyncio.to_thread(next, talk), [first]  # a long text takes a while to be cut
    while True:
        found = await _score(desk, request, replace(raw, pairs=[(body.query, variant) for variant in texts]))
        outcomes += found
        try:
            texts = talk.send([scored.score for outcome in found for scored in outcome.scored])
        except StopIteration as end:
            explanation: Explanation = end.value
            break
    whole = _together(outcomes)
    timings = {name: round(seconds * 1000, 3) for name, seconds in asdict(whole.timings).items()}
    shown = {"model": card.name, "scores": scores, "tokens": whole.tokens, "timings": timings}
    return answer(asdict(explanation) | shown, whole)


async def _first(desk: Desk, request: Request, work: Work) -> tuple[Outcome, int]:
    """Score the document itself, so that what is wrong with it is said before anything is read of it."""
    (outcome,) = await _score(desk, request, work)
    return outcome, (await desk.service.read_to(work))[0]


async def _score(desk: Desk, request: Request, work: Work) -> list[Outcome]:
    """Score variants in as few requests as the server's limit allows: one, but for very low limits."""
    limit = desk.settings.limits.max_documents
    parts = [work.pairs[i : i + limit] for i in range(0, len(work.pairs), limit)]
    outcomes = [await desk.run(request, replace(work, pairs=part)) for part in parts]
    for outcome in outcomes:
        wrong = next((scored.error for scored in outcome.scored if scored.error is not None), None)
        if wrong is not None:
            raise Unprocessable(wrong)
        if outcome.partial:
            raise DeadlinePassed("the deadline came before the document was explained", hint="raise deadline_ms")
    return outcomes


def _template(desk: Desk, body: Explain, model: str) -> Template | None:
    source = body.template
    if source is None:
        source = next((known.template for known in desk.settings.models if known.name == model), None)
    return Template(source) if source is not None else None


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return one outcome with the tokens, characters and times of all."""
    parts = [asdict(outcome.timings) for outcome in outcomes]
    timings = Timings(**{name: sum(part[name] for part in parts) for name in parts[0]})
    tokens = sum(outcome.tokens for outcome in outcomes)
    return replace(outcomes[0], tokens=tokens, characters=sum(o.characters for o in outcomes), timings=timings)


ENDPOINTS = (
    Endpoint(
        paths=("/explain",),
        handler=explain,
        summary="Which sentence carried the score",
        description="Leaves each sentence of the document out and scores what is left. A document of n sentences costs "
        "about 2n scores, 93 at most.",
        tag="Explain",
        bodies=(Explain,),
        answer=ExplainAnswer,
        examples={
            "a text": {
                "query": "how do I get into the archive",
                "document": "The library opens at nine. To enter the archive, show your card. Dogs stay outside.",
            }
        },
    ),
)

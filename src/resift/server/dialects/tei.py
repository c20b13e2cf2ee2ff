"""Text Embeddings Inference: `POST /rerank` with `texts`, `POST /predict` and `POST /similarity`."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects.answers import answer, best_first, notes
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.extras import Notes
from resift.server.dialects.fields import Flag, Lenient, Query, TeiFields, Texts
from resift.server.dialects.reading import read_object, validate
from resift.server.errors import DeadlinePassed, Unprocessable
from resift.server.records import Scored

_LABEL = "LABEL_0"


class TeiRerank(TeiFields):
    """A query and the texts to rank."""

    query: Query
    texts: Texts
    raw_scores: Flag = Field(False, description="Logits instead of sigmoids.")
    return_text: Flag = Field(False, description="Each result with its text.")


class TeiRank(Notes):
    """One text's place; the best comes first."""

    index: int
    score: float
    text: str | None = None


class TeiPredict(TeiFields):
    """A pair `["query", "document"]`, or a list of pairs."""

    inputs: Annotated[
        Any,
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
                    ]
                },
            }
        ),
    ]
    raw_scores: Flag = Field(False, description="Logits instead of sigmoids.")


class TeiPrediction(Notes):
    """The one label of a reranker."""

    score: float
    label: str


class SentencePair(Lenient):
    """One text and those that it is compared with."""

    source_sentence: Query
    sentences: Texts


class TeiSimilarity(TeiFields):
    """One text and those that it is compared with, as the hub's client sends them for `sentence_similarity`."""

    inputs: SentencePair


async def rerank(desk: Desk, request: Request, value: dict[str, object]) -> Response:
    """Answer a `/rerank` whose body has `texts`."""
    request.state.family = "tei"
    body = validate(TeiRerank, value)
    work = desk.work(
        request,
        body,
        [(body.query, text) for text in body.texts],
        model=desk.card(body.model),
        raw=body.raw_scores,
        what="texts",
    )
    outcome = await desk.run(request, work)
    ranks = []
    for index in best_first(outcome, None):
        scored = outcome.scored[index]
        rank: dict[str, object] = {"index": index, "score": scored.score}
        if body.return_text and isinstance(body.texts[index], str):
            rank["text"] = body.texts[index]
        ranks.append(rank | notes(scored, body))
    return answer(ranks, outcome)


async def predict(desk: Desk, request: Request) -> Response:
    """Answer `/predict`."""
    body = validate(TeiPredict, await read_object(request))
    pairs, single = _pairs(body.inputs)
    work = desk.work(
        request,
        body,
        pairs,
        model=desk.card(body.model),
        raw=body.raw_scores,
        what="inputs",
    )
    outcome = await desk.run(request, work)
    labels = [[_label(scored, body)] for scored in outcome.scored]
    return answer(labels[0] if single else labels, outcome)


async def similarity(desk: Desk, request: Request) -> Response:
    """Answer `/similarity`."""
    value = await read_object(request)
    parameters = value.get("parameters")
    body = validate(TeiSimilarity, (parameters if isinstance(parameters, dict) else {}) | value)
    pairs = [(body.inputs.source_sentence, text) for text in body.inputs.sentences]
    work = desk.work(request, body, pairs, model=desk.card(body.model), what="sentences")
    outcome = await desk.run(request, work)
    wrong = next((scored.error for scored in outcome.scored if scored.error is not None), None)
    if wrong is not None:
        raise Unprocessable(wrong)
    if outcome.partial:
        raise DeadlinePassed("the deadline came before all texts were scored")
    return answer([scored.score for scored in outcome.scored], outcome)


def _label(scored: Scored, body: TeiPredict) -> dict[str, object]:
    return {"score": scored.score, "label": _LABEL} | notes(scored, body)


def _pairs(inputs: object) -> tuple[list[tuple[object, object]], bool]:
    """Return the pairs and whether one alone was given. An item that is no pair gets an error of its own."""
    if not isinstance(inputs, list):
        raise Unprocessable('inputs is one text, expected a pair ["query", "document"] or a list of pairs')
    if len(inputs) == 2 and all(isinstance(text, str) for text in inputs):
        return [(inputs[0], inputs[1])], True
    texts = sum(isinstance(item, str) for item in inputs)
    if texts:
        raise Unprocessable(
            f'inputs has {texts} texts that are in no pair, expected a pair ["query", "document"] or a list of pairs'
        )
    return [_pair(i, item) for i, item in enumerate(inputs)], False


def _pair(index: int, item: object) -> tuple[object, object]:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
        raise Unprocessable(f'item {index} of inputs is no pair, expected ["query", "document"]')
    return item[0], item[1]


ENDPOINTS = (
    Endpoint(
        paths=("/predict",),
        handler=predict,
        summary="Score pairs",
        description="Scores in input order: a list with the one label for one pair, a list of lists for several.",
        tag="Text Embeddings Inference",
        bodies=(TeiPredict,),
        answer=list[TeiPrediction] | list[list[TeiPrediction]],
        examples={
            "one pair": {"inputs": ["capital of France", "Paris is the capital of France."]},
            "several": {"inputs": [["capital of France", "Paris."], ["capital of France", "Berlin."]]},
        },
    ),
    Endpoint(
        paths=("/similarity",),
        handler=similarity,
        summary="Score texts against one",
        description="Scores in input order, and nothing else: a text that cannot be read fails the request, and that "
        "one was cut is not said. /rerank is the better choice where a client has it.",
        tag="Text Embeddings Inference",
        bodies=(TeiSimilarity,),
        answer=list[float],
        examples={
            "one query": {"inputs": {"source_sentence": "capital of France", "sentences": ["Berlin.", "Paris."]}}
        },
    ),
)

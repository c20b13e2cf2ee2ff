"""NVIDIA NIM: `/v1/ranking`, logits of passages."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from resift.server.dialects.answers import answer, best_first, notes, remarks, usage
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.dialects.extras import Notes, Remarks, Usage
from resift.server.dialects.fields import Query, ResiftFields
from resift.server.dialects.reading import read_object, validate

_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_PASSAGE = {"anyOf": [_TEXT, {"type": "string"}]}


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


class Ranking(ResiftFields):
    """A query and the passages to rank."""

    query: Annotated[Query, WithJsonSchema(_PASSAGE)]
    passages: Annotated[list[Any], WithJsonSchema({"type": "array", "minItems": 1, "items": _PASSAGE})]
    truncate: Annotated[Literal["NONE", "END", "START"], BeforeValidator(_upper)] | None = Field(
        None, description="`NONE`: a pair that would be cut is an error. Only ends are cut: `START` is as `NONE`."
    )

    @property
    def fail_if_cut(self) -> bool:
        """Whether cutting is forbidden."""
        return self.truncate in {"NONE", "START"} or super().fail_if_cut


class RankingItem(Notes):
    """One passage's place; the best comes first."""

    index: int
    logit: float


class RankingAnswer(Remarks):
    """The passages, best first."""

    rankings: list[RankingItem]
    usage: Usage


async def ranking(desk: Desk, request: Request) -> Response:
    """Answer `/v1/ranking`."""
    body = validate(Ranking, await read_object(request))
    pairs = [(body.query, passage) for passage in body.passages]
    work = desk.work(request, body, pairs, model=desk.card(body.model), raw=True, what="passages")
    outcome = await desk.run(request, work)
    rankings = [
        {"index": i, "logit": outcome.scored[i].score} | notes(outcome.scored[i], body)
        for i in best_first(outcome, None)
    ]
    return answer({"rankings": rankings, "usage": usage(outcome)} | remarks(outcome, body), outcome)


ENDPOINTS = (
    Endpoint(
        paths=("/v1/ranking",),
        handler=ranking,
        summary="Rank passages",
        description="Logits, best first; `scores: sigmoid` gives 0..1.",
        tag="NVIDIA",
        bodies=(Ranking,),
        answer=RankingAnswer,
        examples={
            "ranking": {"query": {"text": "capital of France"}, "passages": [{"text": "Berlin."}, {"text": "Paris."}]}
        },
    ),
)

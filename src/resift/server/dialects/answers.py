"""Answers: JSON, the headers that say where the time went, and the keys that resift adds to each dialect's own."""

from collections.abc import Sequence
from dataclasses import asdict

import orjson
from starlette.responses import Response

from resift.server.dialects.fields import ResiftFields
from resift.server.errors import BadRequest
from resift.server.records import Outcome, Scored, Timings

_DOCUMENTS_IN_A_UNIT = 100


def answer(body: object, outcome: Outcome) -> Response:
    """Return a scoring answer; raises BadRequest when documents to be returned are nested too deeply."""
    try:
        content = orjson.dumps(body)
    except orjson.JSONEncodeError:
        raise BadRequest("the documents are nested too deeply to be returned: leave return_documents out") from None
    return Response(content, media_type="application/json", headers=_headers(outcome))


def best_first(outcome: Outcome, limit: int | None) -> Sequence[int]:
    """Return the places of the best documents; a limit of None or 0 means all."""
    return outcome.order[:limit] if limit else outcome.order


def notes(scored: Scored, fields: ResiftFields) -> dict[str, object]:
    """Return the keys that a result gets beyond its dialect's: only those that say something."""
    found: dict[str, object] = {}
    if scored.truncated:
        found["truncated"] = True
    if scored.window is not None:
        found["window"] = asdict(scored.window)
    if scored.error is not None:
        found["error"] = scored.error
    if scored.pending:
        found["pending"] = True
    if fields.details:
        found |= {"tokens": scored.tokens, "cached": scored.cached}
        if scored.raw is not None:
            found["raw"] = scored.raw
    return found


def remarks(outcome: Outcome, fields: ResiftFields) -> dict[str, object]:
    """Return the keys that an answer gets beyond its dialect's."""
    found: dict[str, object] = {"partial": True} if outcome.partial else {}
    if fields.details:
        found |= {"info": asdict(outcome.info), "timings": _milliseconds(outcome.timings)}
    return found


def usage(outcome: Outcome) -> dict[str, int]:
    """Return the tokens that the model read, under both names that clients look for."""
    return {"prompt_tokens": outcome.tokens, "total_tokens": outcome.tokens}


def search_units(documents: int) -> int:
    """Return what Cohere counts: a query with up to 100 documents is one."""
    return -(-documents // _DOCUMENTS_IN_A_UNIT)


def _milliseconds(timings: Timings) -> dict[str, float]:
    return {name: round(seconds * 1000, 3) for name, seconds in asdict(timings).items()}


def _headers(outcome: Outcome) -> dict[str, str]:
    """Return TEI's headers: whole milliseconds."""
    timings = outcome.timings
    total = str(round(timings.total * 1000))
    return {
        "x-compute-type": outcome.info.device,
        "x-compute-time": total,
        "x-compute-tokens": str(outcome.tokens),
        "x-compute-characters": str(outcome.characters),
        "x-total-time": total,
        "x-tokenization-time": str(round(timings.tokenization * 1000)),
        "x-queue-time": str(round(timings.queue * 1000)),
        "x-inference-time": str(round(timings.inference * 1000)),
    }

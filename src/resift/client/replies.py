"""Answers become records or errors: pure functions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from resift.client.records import Ranking, Scores, ServedCalibration, ServedModel, ServerInfo
from resift.client.requests import Request
from resift.errors import (
    ERROR_OF_STATUS,
    ServerError,
)
from resift.types import Document, PairScore, RankedDocument, ScoreInfo, Window

if TYPE_CHECKING:
    from resift.explanation import Explanation

T = TypeVar("T")

_HINTS = {401: "pass api_key=", 403: "pass api_key="}
_SHOWN = 300
"""Characters of an answer that is no JSON in an error's message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_ranking(reply: Reply, documents: Sequence[Document], top_k: int | None) -> Ranking:
    """Return the ranking with the caller's own documents, in the server's order."""

    def read(content: Any) -> Ranking:
        ranked = [_ranked(item, documents) for item in content["results"]]
        _complete([one.index for one in ranked], len(documents) if top_k is None else min(top_k, len(documents)))
        return Ranking(ranked, **_about(content), raw=_raw(content["results"], content))

    return _read(reply, read)


def read_scores(reply: Reply, count: int) -> Scores:
    """Return a record for each of `count` pairs, in input order."""

    def read(content: Any) -> Scores:
        items = sorted(content["data"], key=lambda item: item["index"])
        _complete([item["index"] for item in items], count)
        scores = [PairScore(item["score"], *_extras(item)) for item in items]
        return Scores(scores, **_about(content), raw=_raw(items, content))

    return _read(reply, read)


def read_models(reply: Reply) -> list[ServedModel]:
    """Return the models, the default one first."""

    def read(content: Any) -> list[ServedModel]:
        return [
            ServedModel(
                one["id"],
                one["max_model_len"],
                _record(ScoreInfo, one["info"]),
                one["created"],
                _record(ServedCalibration, one["calibration"]) if one.get("calibration") is not None else None,
            )
            for one in content["data"]
        ]

    return _read(reply, read)


def read_info(reply: Reply) -> ServerInfo:
    """Return what the server says of itself."""

    def read(content: Any) -> ServerInfo:
        return ServerInfo(
            model=content["model_id"],
            version=content["version"],
            max_documents=content.get("max_client_batch_size"),
            max_length=content["max_input_length"],
            fields=content,
        )

    return _read(reply, read)


def read_explanation(reply: Reply) -> "Explanation":
    """Return what each sentence of a document did for its score."""
    from resift.explanation import Explanation, Faithfulness, Sentence

    def read(content: Any) -> Explanation:
        trust = content["faithfulness"]
        values = {
            **content,
            "sentences": tuple(_record(Sentence, one) for one in content["sentences"]),
            "faithfulness": None if trust is None else _record(Faithfulness, trust),
        }
        return _record(Explanation, values)

    return _read(reply, read)


def error_of(request: Request, reply: Reply) -> ServerError:
    """Return the error that an answer with a status of 300 or more is."""
    said = _message(reply.body) or "no message"
    kind = ERROR_OF_STATUS.get(reply.status, ServerError)
    hint = _HINTS.get(reply.status)
    if reply.status < 400 or (reply.status == 404 and request.model is None):
        kind, hint = ServerError, "is it the address of a resift server, without the path of a route?"
    return kind(
        f"{request.method} {request.path} was answered with {reply.status}: {said}",
        hint=hint,
        status=reply.status,
        request_id=reply.headers.get("x-request-id"),
        retry_after=_seconds(reply.headers.get("retry-after")),
    )


def _read(reply: Reply, read: Callable[[Any], T]) -> T:
    """Return what `read` makes of the JSON; whatever does not fit is an error of the server, not of the caller."""
    try:
        return read(json.loads(reply.body))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ServerError(
            f"the answer is not that of a resift server ({type(error).__name__}: {error}): {_start(reply.body)}",
            status=reply.status,
            request_id=reply.headers.get("x-request-id"),
        ) from error


def _ranked(item: Mapping[str, Any], documents: Sequence[Document]) -> RankedDocument:
    index = item["index"]
    return RankedDocument(index, item["relevance_score"], documents[index], *_extras(item))


def _extras(item: Mapping[str, Any]) -> tuple[bool, Window | None, str | None, bool]:
    window = item.get("window")
    return (
        bool(item.get("truncated")),
        None if window is None else _record(Window, window),
        item.get("error"),
        bool(item.get("pending")),
    )


def _about(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "info": _record(ScoreInfo, content["info"]),
        "partial": bool(content.get("partial")),
        "tokens": content["usage"]["total_tokens"],
        "timings": content.get("timings"),
    }


def _raw(items: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> list[float | None]:
    """Return the raw scores beside calibrated ones; raises KeyError where a scored item has none."""
    if content["info"]["scores"] != "calibrated":
        return []
    return [None if item.get("error") or item.get("pending") else item["raw"] for item in items]


def _record(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a record of the fields that it has: a newer server may send more, an older one no optional ones."""
    sent = [one.name for one in fields(kind) if one.name in values or one.default is MISSING]  # type: ignore[arg-type]
    return kind(**{name: values[name] for name in sent})


def _complete(places: Sequence[int], count: int) -> None:
    """Raise ValueError unless each place is there once and none is missing: no document is lost in silence."""
    if len(places) != count or len(set(places)) != count or any(place < 0 for place in places):
        raise ValueError(f"{len(places)} results, {len(set(places))} of them different, where {count} were expected")


def _message(body: bytes) -> str:
    """Return the message of an error's body, whatever dialect it is in."""
    try:
        content = json.loads(body)
    except ValueError:
        return _start(body)
    for name in ("error", "message", "detail"):
        value = content.get(name) if isinstance(content, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if value:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _start(body)


def _start(body: bytes) -> str:
    text = body[: 4 * _SHOWN].decode("utf-8", errors="replace").strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _seconds(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3); None for anything else."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None

"""Calls become requests: pure functions."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resift.client.options import Options
from resift.errors import InputError
from resift.text.template import scrub
from resift.types import Document


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        method, path: of the route, without the server's address.
        body: JSON, or None for a GET.
        patient: whether 'come back later' is worth a second try; not for a question like 'are you ready'.
        model: that it asks for by name.
    """

    method: str
    path: str
    body: bytes | None = None
    patient: bool = True
    model: str | None = None


def rank_request(query: str, documents: Sequence[Document], top_k: int | None, options: Options) -> Request:
    """Return the request that ranks the documents, best first, at most `top_k` (which is not 0) of them."""
    fields: dict[str, object] = {"query": query, "documents": documents, "return_documents": False}
    if top_k is not None:
        fields["top_n"] = top_k
    return _scoring("/v1/rerank", fields, options)


def score_request(pairs: Sequence[tuple[str, Document]], options: Options) -> Request:
    """Return the request that scores the pairs: one query that all have is sent once."""
    queries = [query for query, _ in pairs]
    asked = queries[0] if len(set(queries)) == 1 else queries
    documents = [document for _, document in pairs]
    return _scoring("/v1/score", {"queries": asked, "documents": documents}, options)


def explain_request(query: str, document: Document, options: Options) -> Request:
    """Return the request that explains the score of one document."""
    return _scoring("/explain", {"query": query, "document": document}, options)


def _scoring(path: str, fields: Mapping[str, object], options: Options) -> Request:
    return Request("POST", path, _json({**fields, **options.fields()}), model=options.model)


def _json(fields: Mapping[str, object]) -> bytes:
    """Return the body in UTF-8; lone surrogates, which it cannot hold, become U+FFFD as in `Reranker`."""
    try:
        try:
            text = _dumps(fields)
        except ValueError:
            text = _dumps(_finite(fields))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the documents cannot be written as JSON: {error}") from None
    return scrub(text).encode()


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    """Return a field's value that JSON does not know as a template would write it: dates, decimals, numpy's numbers."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _finite(value: object) -> object:
    """Return the value with NaN and infinities, which JSON has not, as the texts that a template writes for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value

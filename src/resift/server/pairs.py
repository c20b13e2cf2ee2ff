"""What a request's pairs are before they are tokenised: which are none, how long they are, and their texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from resift.errors import InputError
from resift.server.admission import expected_tokens
from resift.server.errors import TooLarge, Unprocessable
from resift.server.models import Policy
from resift.server.settings import Limits
from resift.text.template import document_text, scrub
from resift.types import Document

Pairs = Sequence[tuple[object, object]]


@dataclass(slots=True)
class Survey:
    """The pairs at a glance: nothing is read, so that a request that is refused costs nothing.

    Attributes:
        sizes: characters of each pair's document, about; 0 for one with an error.
        errors: why a pair is none, by its place.
        tokens: of each pair, about; 0 for one with an error.
        one_query: all pairs have the same query.
    """

    sizes: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    one_query: bool = True


def survey(pairs: Pairs, policy: Policy, limits: Limits) -> Survey:
    """Look at the pairs. Raises TooLarge for too many, Unprocessable when the query of all is no text or too long."""
    if len(pairs) > limits.max_documents:
        raise TooLarge(
            f"the request has {len(pairs)} documents, at most {limits.max_documents} may be in one (max_documents)",
            hint="send them in several requests",
        )
    found = Survey()
    known: object = None
    query_tokens = 0
    problem: str | None = None
    for place, (query, document) in enumerate(pairs):
        if query is not known or place == 0:
            found.one_query = place == 0 or (found.one_query and query == known)
            known = query
            problem = _query_problem(query, limits)
            query_tokens = 0 if not isinstance(query, str) else expected_tokens(query)
        text = document if isinstance(document, str) else _fields(document)
        size = len(text)
        error = problem if problem is not None else _document_problem(document, size, limits)
        if error is None:
            found.sizes.append(size)
            found.tokens.append(policy.most_tokens(query_tokens, expected_tokens(text)))
        else:
            found.errors[place] = error
            found.sizes.append(0)
            found.tokens.append(0)
    if problem is not None and found.one_query:
        raise Unprocessable(problem)
    return found


def texts(query: str, document: Document, policy: Policy, limits: Limits) -> tuple[str, str]:
    """Return the texts of a pair; raises TemplateError for fields, or Unprocessable for a text that is too long."""
    text = document_text(document, policy.template, most=limits.max_text_characters)
    if len(text) > limits.max_text_characters:
        raise Unprocessable(_too_long("document", len(text), limits))
    return scrub(query), text


def check_made(characters: int, policy: Policy, limits: Limits) -> None:
    """Raise TooLarge for a template that made more characters of the documents than a body may have."""
    if policy.template is not None and characters > limits.max_body_bytes:
        raise TooLarge(
            f"the template makes more than {limits.max_body_bytes} characters of the documents (max_body_bytes)",
            hint="let it repeat less, or send fewer documents in one request",
        )


def read_to(pairs: Pairs, policy: Policy, limits: Limits) -> list[int]:
    """Return how many characters of each document's text are read. Raises Unprocessable for a pair that has none."""
    read = []
    for query, document in pairs:
        try:
            asked, text = texts(cast("str", query), cast("Document", document), policy, limits)
        except InputError as error:
            raise Unprocessable(error.message, hint=error.hint) from error
        read.append(len(text) if policy.windows is not None else policy.encoder.read_to(asked, text))
    return read


def _query_problem(query: object, limits: Limits) -> str | None:
    if not isinstance(query, str):
        return f"the query is {_shown(query)}, expected a text"
    if len(query) > limits.max_text_characters:
        return _too_long("query", len(query), limits)
    return None


def _document_problem(document: object, size: int, limits: Limits) -> str | None:
    if not isinstance(document, str | Mapping):
        return f"the document is {_shown(document)}, expected a text or a mapping of fields"
    if size > limits.max_text_characters and isinstance(document, str):
        return _too_long("document", size, limits)
    return None


def _too_long(name: str, characters: int, limits: Limits) -> str:
    return (
        f"the {name} has {characters} characters, at most {limits.max_text_characters} are read (max_text_characters)"
    )


def _fields(document: object) -> str:
    """Return the texts of a mapping's fields, for their length; the template may use some of them only."""
    if not isinstance(document, Mapping):
        return ""
    return " ".join(value for value in document.values() if isinstance(value, str))


def _shown(value: object) -> str:
    """Name a value's type, and the value when it is short: a log or an answer is no place for documents."""
    if value is None or isinstance(value, bool | int | float):
        return f"{type(value).__name__} {value!r}"[:60]
    return f"of the type {type(value).__name__}"

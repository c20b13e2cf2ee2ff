"""What callers may pass: the same checks, and the same words, for a model in the process and for a server's client."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resift.errors import InputError, PairError
from resift.types import Document


def as_list(values: Iterable[Any], name: str) -> list[Any]:
    """Return the values as a list; a text or a mapping, which Python would iterate too, is a mistake."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise PairError(f"{name} is {_shown(values)}, expected a list")
    return list(values)


def as_pair(index: int, pair: object) -> tuple[str, Document]:
    """Return the query and the document of an item; raises PairError, which names it, when it is no such pair."""
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise PairError(
            f"item {index} is {_shown(pair)}, expected a pair (query, document)",
            hint="one pair alone is written [(query, document)]",
        )
    query, document = pair
    if not isinstance(query, str):
        raise PairError(f"the query of item {index} is {_shown(query)}, expected a text")
    if not isinstance(document, str | Mapping):
        raise PairError(f"the document of item {index} is {_shown(document)}, expected a text or a mapping of fields")
    return query, document


def as_groups(
    queries: Iterable[str], documents: Iterable[Iterable[Document]]
) -> tuple[list[str], list[list[Document]]]:
    """Return the queries and a list of documents for each; raises InputError when their numbers differ."""
    asked = as_list(queries, "queries")
    lists = [as_list(group, "documents") for group in as_list(documents, "documents")]
    if len(asked) != len(lists):
        raise InputError(f"{len(asked)} queries and {len(lists)} lists of documents: expected one list a query")
    return asked, lists


def check_top_k(top_k: int | None) -> None:
    """Raise InputError for a negative `top_k`."""
    if top_k is not None and top_k < 0:
        raise InputError(f"top_k is {top_k}, expected 0 or more, or None for all")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise InputError for a value that is not known."""
    if value not in known:
        raise InputError(f"{name} is {value!r}, expected one of {', '.join(known)}")


def positive(name: str, value: int | None, default: int) -> int:
    """Return a whole number of at least 1, or the default for None; raises InputError for anything else."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}, expected a whole number of at least 1")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"

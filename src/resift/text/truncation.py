"""How a query and a document share the tokens that a model reads."""

from dataclasses import dataclass

from resift.errors import InputError, LengthError
from resift.types import Truncation, Windows


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in tokens, special tokens included in `max_length`.

    Attributes:
        max_length: the longest sequence.
        query_max_length: the longest query under the policy `flag`.
        policy: `flag` cuts the query at `query_max_length` and then the document alone, as FlagEmbedding does;
            `longest_first` cuts whichever is longer, as sentence-transformers and TEI do.
        query_tokens, document_tokens: what every query and document is cut to before the policy is asked; None for
            all of it.
    """

    max_length: int
    query_max_length: int
    policy: Truncation
    query_tokens: int | None = None
    document_tokens: int | None = None


def split(query: int, document: int, room: int, limits: Limits) -> tuple[int, int]:
    """Return how many query and document tokens are kept when `room` tokens are free for both."""
    if limits.policy == "flag":
        query = min(query, limits.query_max_length, room)
        return query, min(document, room - query)
    return _longest_first(query, document, room)


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Shorten the longer one until both fit, the rule of the `tokenizers` library."""
    if first + second <= room:
        return first, second
    short, long = sorted((first, second))
    long = min(long, max(short, room - short))
    if short + long > room:
        short = room // 2
        long = room - short
    return (short, long) if first <= second else (long, short)


def window_bounds(document: int, room: int, windows: Windows) -> list[tuple[int, int]]:
    """Return the [start, end) tokens of each window of a document of `document` tokens.

    Every token is in a window and no window lies inside another. `room` is what the query leaves free.
    Raises LengthError when nothing is left, InputError when the overlap is not smaller than the window.
    """
    if room < 1:
        raise LengthError(
            "the query leaves no room for the document", hint="raise max_length or lower query_max_length"
        )
    size = room if windows.size is None else min(windows.size, room)
    if size < 1 or not 0 <= windows.overlap < size:
        raise InputError(
            f"windows of {size} tokens (asked for {windows.size}, free {room}) cannot overlap by {windows.overlap}",
            hint="choose 0 <= overlap < size",
        )
    step = size - windows.overlap
    starts = range(0, max(document - windows.overlap, 1), step)
    return [(start, min(start + size, document)) for start in starts]

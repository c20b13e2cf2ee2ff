"""What other libraries accept where pairs are meant."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from resift.errors import PairError

Pairs: TypeAlias = Sequence[str] | Iterable[Sequence[str]]
"""One pair of texts, or any number of pairs."""


def as_list(pairs: Pairs) -> tuple[list[Sequence[str]], bool]:
    """Return the pairs as a list, and whether a single pair was given.

    The rule of the other libraries: what begins with a text is a single pair. Pairs that are no pairs of texts are
    left for `Reranker` to refuse, with their index. Raises PairError when there is no list at all.
    """
    if isinstance(pairs, str | bytes | Mapping) or not isinstance(pairs, Iterable):
        raise PairError(
            f"the pairs are {type(pairs).__name__} {pairs!r:.60}, expected a list of (query, document) pairs",
            hint="one pair alone is written (query, document)",
        )
    items: list[Sequence[str]] = list(pairs)
    return ([items], True) if items and isinstance(items[0], str) else (items, False)  # type: ignore[list-item]

"""What other libraries accept where pairs are meant."""

from collections.abc import Sequence
from typing import TypeAlias

Pairs: TypeAlias = Sequence[str] | Sequence[Sequence[str]]
"""One pair of texts, or a list of pairs."""


def as_list(pairs: Pairs) -> tuple[list[Sequence[str]], bool]:
    """Return the pairs as a list, and whether a single pair was given."""
    single = not isinstance(pairs, str) and len(pairs) == 2 and all(isinstance(text, str) for text in pairs)
    # Subtle: a text is a sequence of texts to Python; `Reranker` refuses it with the index and the value.
    return ([[str(text) for text in pairs]], True) if single else (list(pairs), False)

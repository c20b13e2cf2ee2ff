"""The lists of several stores become one, by the names that a config and a search use."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import get_args

from resift.errors import InputError
from resift.retrieval.analyzers import Analyzer, as_analyzer
from resift.retrieval.fusion import Normalisation, rrf, weighted
from resift.retrieval.protocols import Hit

NORMALISATIONS: dict[str, Normalisation] = {name: name for name in get_args(Normalisation)}
_LITTLE, _ENOUGH, _LEAST = 0.04, 0.12, 0.05
"""Of a query's highest possible BM25 score: what the best passage has where words find nothing, and where they find it.

Between them the weight of BM25 rises from _LEAST to 1. nDCG@10 of 100 questions each with vectors of weight 0.3, always
1 / so: XQuAD, English questions to Chinese paragraphs .437 / .664 (vectors alone .603), Chinese to English .572 / .613
(.605); MLQA's English to Chinese .221 / .694 (.703), German to English .607 / .719 (.659); within a language XQuAD's
Chinese sentences .835 / .831, German ones .842 / .838, SciFact .840 / .840. In English questions to Chinese paragraphs
the best passage has 0.03 of what is possible in the middle, within a language 0.14 to 0.32."""


def check_fusion(name: str) -> None:
    """Raise InputError for what names no fusion."""
    method, _, normalisation = name.partition(":")
    if name not in ("rrf", "covered") and (method != "weighted" or normalisation not in ("", *NORMALISATIONS)):
        raise InputError(
            f"fusion is {name!r}, expected 'rrf', 'covered' or 'weighted', or a normalisation behind that as in "
            "'weighted:z-score'",
            hint=f"normalisations: {', '.join(NORMALISATIONS)}",
        )


def fuse(name: str, lists: Mapping[str, Sequence[Hit]], weights: Mapping[str, float]) -> list[Hit]:
    """Return the passages of all stores' lists, best first; stores without a weight count 1."""
    factors = [weights.get(store, 1.0) for store in lists]
    found = list(lists.values())
    if name == "rrf":
        fused = rrf(found, weights=factors)
    else:
        normalisation = NORMALISATIONS.get(name.partition(":")[2], "min-max")
        fused = weighted(found, weights=factors, normalisation=normalisation)
    return [Hit(int(str(hit.id)), hit.score) for hit in fused]


def trusted(query: str, hits: Sequence[Hit], *, analyzer: str, passages: int) -> float:
    """Return what BM25's list counts, 0.05 to 1, by how much of the query its best passage covers.

    A list is brought to 0..1, so that its best passage gets 1 although it may share a name or a number with the query
    and nothing else, as where both are in two languages. The highest possible score is that of a passage in which each
    of the query's terms is the rarest: ln(1 + passages) for each.
    """
    terms = len(_analyzer(analyzer).keys([query])[0])
    best = max((hit.score for hit in hits), default=0.0)
    covered = best / (max(terms, 1) * math.log1p(max(passages, 1)))
    return min(1.0, max(_LEAST, (covered - _LITTLE) / (_ENOUGH - _LITTLE)))


@lru_cache(maxsize=8)
def _analyzer(name: str) -> Analyzer:
    return as_analyzer(name)

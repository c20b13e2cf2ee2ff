"""The lists of several stores become one, by the names that a config and a search use."""

from collections.abc import Mapping, Sequence
from typing import get_args

from resift.errors import InputError
from resift.retrieval.fusion import Normalisation, rrf, weighted
from resift.retrieval.protocols import Hit

NORMALISATIONS: dict[str, Normalisation] = {name: name for name in get_args(Normalisation)}


def check_fusion(name: str) -> None:
    """Raise InputError for what names no fusion."""
    method, _, normalisation = name.partition(":")
    if name != "rrf" and (method != "weighted" or normalisation not in ("", *NORMALISATIONS)):
        raise InputError(
            f"fusion is {name!r}, expected 'rrf' or 'weighted', or a normalisation behind it as in 'weighted:z-score'",
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

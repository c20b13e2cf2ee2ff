"""What a search is asked for, checked."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resift.documents.rows import clean
from resift.errors import InputError, ResiftWarning
from resift.pipeline.blending import check_blend
from resift.pipeline.filters import Where, compiled
from resift.pipeline.fusing import check_fusion

DEEPEST = 100
"""Passages of a query that are reranked at most, unless the pipeline was opened with another limit."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `Pipeline.search`: see there."""

    top_k: int = 10
    recall: int = 100
    depth: int = 50
    where: Where | None = None
    threshold: float | None = None
    per_document: int | None = None
    context: int = 0
    explain: int = 0
    blend: float = 1.0
    stores: Sequence[str] | None = None
    fusion: str | None = None
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Check all that can be checked without looking; raises InputError."""
        for name, least in (("top_k", 0), ("recall", 1), ("depth", 0), ("context", 0), ("explain", 0)):
            _whole(name, getattr(self, name), least)
        if self.per_document is not None:
            _whole("per_document", self.per_document, 1)
        check_blend(self.blend)
        threshold = self.threshold
        if threshold is not None and (not isinstance(threshold, int | float) or math.isnan(threshold)):
            raise InputError(f"threshold is {threshold!r}, expected a number")
        if self.fusion is not None:
            check_fusion(self.fusion)
        if self.where is not None:
            compiled(self.where)
        if isinstance(self.stores, str):
            raise InputError(f"stores is {self.stores!r}, expected a list of names", hint=f"write [{self.stores!r}]")


def check_queries(queries: Sequence[object]) -> None:
    """Raise InputError for a query that is no text."""
    for place, query in enumerate(queries):
        if not isinstance(query, str):
            raise InputError(f"query {place} is {type(query).__name__}, expected a text")


def check_ids(ids: Sequence[object]) -> list[str]:
    """Return the ids of documents as they are kept; raises InputError for what is no text: the 7 of a row is "7"."""
    names = []
    for one in ids:
        if not isinstance(one, str):
            raise InputError(f"the id {one!r} is {type(one).__name__}, expected a text", hint=f"write {str(one)!r}")
        names.append(clean(one))
    return names


def check_depth(most: int) -> int:
    """Return the limit of reranking; raises InputError where it is none."""
    _whole("max_depth", most, 1)
    return most


def capped(depth: int, most: int) -> int:
    """Return how many passages are reranked; warns where that is fewer than were asked for."""
    if depth <= most:
        return depth
    warnings.warn(
        f"depth is {depth}: the best {most} passages are reranked, for deeper reranking rarely helps and often hurts "
        "(Pipeline.measure says how it is with your questions; Pipeline(folder, max_depth=...) allows more)",
        ResiftWarning,
        stacklevel=4,
    )
    return most


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or (isinstance(value, bool) and name != "explain") or value < least:
        raise InputError(f"{name} is {value!r}, expected a whole number of at least {least}")

"""How a pipeline is asked: the options of a search, which a session changes one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resift.cli.conditions import Where
    from resift.pipeline import Pipeline, SearchResult


@dataclass(frozen=True, slots=True)
class Asking:
    """As in `Pipeline.search`."""

    top_k: int = 10
    recall: int = 100
    depth: int = 50
    where: Where | None = None
    rerank: bool = True
    blend: float | None = None
    threshold: float | None = None
    per_document: int | None = None
    context: int = 0
    explain: int = 0
    stores: Sequence[str] | None = None

    def ask(self, pipeline: Pipeline, queries: Sequence[str]) -> list[SearchResult]:
        """Return the results of some queries."""
        return pipeline.search_many(
            queries,
            top_k=self.top_k,
            recall=max(self.recall, self.top_k, self.depth),
            depth=self.depth,
            where=self.where,
            rerank=self.rerank,
            blend=self.blend,
            threshold=self.threshold,
            per_document=self.per_document,
            context=self.context,
            explain=self.explain if self.rerank else 0,
            stores=self.stores,
        )

"""A reranker of a few lines at the seam between the commands and the engine: its scores are easy to foresee."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from resift.types import Document, PairScore, RankedDocument, ScoreInfo, Window, Windows

INFO = ScoreInfo(
    model="fake",
    revision=None,
    device="cpu",
    backend="fake",
    precision="fp32",
    kernel=None,
    scores="raw",
    truncation="flag",
    max_length=20,
)


@dataclass
class FakeReranker:
    """Scores a pair by the share of the query's characters in the document; texts above `max_length` are cut."""

    info: ScoreInfo = INFO
    windows: Windows | None = None
    template: str | None = None
    progress: Any = False
    calls: list[int] = field(default_factory=list)
    closed: bool = False
    folder: Path = Path("a folder that is not there")

    def with_options(self, *, template: str | None = None, progress: Any = None) -> "FakeReranker":
        return replace(self, template=template if template is not None else self.template, progress=progress)

    def score_details(self, pairs: Iterable[tuple[str, Document]]) -> list[PairScore]:
        details = [self._score(query, document) for query, document in pairs]
        self.calls.append(len(details))
        if callable(self.progress):
            self.progress(len(details), len(details))
        return details

    def score(self, pairs: Iterable[tuple[str, Document]]) -> np.ndarray:
        return np.array([one.score for one in self.score_details(pairs)], np.float32)

    def rank_many(
        self, queries: Sequence[str], documents: Sequence[Sequence[Document]], *, top_k: int | None = None
    ) -> list[list[RankedDocument]]:
        rankings = []
        for query, some in zip(queries, documents, strict=True):
            details = self.score_details([(query, one) for one in some])
            order = sorted(range(len(some)), key=lambda i: (-details[i].score, i))[:top_k]
            rankings.append(
                [RankedDocument(i, details[i].score, some[i], details[i].truncated, details[i].window) for i in order]
            )
        return rankings

    def _score(self, query: str, document: Document) -> PairScore:
        text = document if isinstance(document, str) else self._text(document)
        value = sum(character in text for character in query) / max(len(query), 1)
        window = None if self.windows is None else Window(index=1, count=3, start=2, end=6, score=value)
        return PairScore(score=value, truncated=window is None and len(text) > self.info.max_length, window=window)

    def _text(self, document: Mapping[str, object]) -> str:
        return " ".join(map(str, document.values())) if self.template is None else self.template.format(**document)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> "FakeReranker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

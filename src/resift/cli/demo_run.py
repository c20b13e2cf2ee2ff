"""The demo's cases: recall candidates, rerank them, and say what was on top before and after.

The corpus and the cases in `demo_data` are written for resift. Which document is right was decided when a case was
written, before any model had seen it. Most queries are meant to be hard for word matching: another document shares
more words with them than the right one does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resift.reranker import Reranker
    from resift.types import Document, RankedDocument

RECALLED = 20
"""Candidates that BM25 hands on, out of the documents of all languages."""

PRODUCT_TEMPLATE = "Title: {title_en}\nDescription: {desc_en}\nPrice: {price}"


@dataclass(frozen=True, slots=True)
class Case:
    """A query, where its documents come from, and the documents that answer it.

    Attributes:
        kind: `plain` and `search` recall with BM25 from all documents, for everyday questions and for ones that are
            hard for word matching; `cross` asks in one language for documents of another,
            which BM25 cannot find, so all of these are candidates; `products` takes all products, which have fields.
        lang: the query's language.
        documents: the documents' language, for `cross`.
        answers: ids of the right documents.
    """

    kind: str
    lang: str
    query: str
    answers: tuple[str, ...]
    documents: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that is reranked, and what BM25 made of it; place and score are None where it found nothing."""

    id: str
    document: Document
    place: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case, its candidates, and their new order."""

    case: Case
    candidates: Sequence[Candidate]
    ranked: Sequence[RankedDocument]

    @property
    def right_before(self) -> bool:
        """BM25 has a right document on top."""
        return any(one.place == 1 and one.id in self.case.answers for one in self.candidates)

    @property
    def right_after(self) -> bool:
        """The reranker has a right document on top."""
        return bool(self.ranked) and self.candidates[self.ranked[0].index].id in self.case.answers


@dataclass(frozen=True, slots=True)
class Check:
    """A query and documents with their BM25 scores (0: no word in common) and the reranker's."""

    query: str
    documents: Sequence[str]
    before: Sequence[float]
    after: Sequence[float]


@dataclass(frozen=True, slots=True)
class Results:
    """All that the demo shows."""

    outcomes: Sequence[Outcome]
    pair: Check
    trap: Check
    pairs: int
    seconds: float


def read_data(name: str) -> list[dict[str, Any]]:
    """Return the rows of one file of `demo_data`."""
    text = resources.files("resift.cli").joinpath("demo_data", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read_cases(lang: str | None = None) -> list[Case]:
    """Return the cases, all or those whose query is in one language."""
    rows = (
        Case(row["kind"], row["lang"], row["query"], tuple(row["answers"]), row.get("documents"))
        for row in read_data("cases.jsonl")
    )
    return [case for case in rows if lang in (None, case.lang)]


def run_cases(
    reranker: Reranker,
    cases: Sequence[Case],
    candidates: Sequence[Sequence[Candidate]],
    *,
    show: Callable[[int], None],
) -> Results:
    """Rerank the candidates of every case, and run both checks; `show` is told how many pairs are done."""
    (pair,) = (row for row in read_data("checks.jsonl") if row["kind"] == "pair")
    (trap,) = (row for row in read_data("checks.jsonl") if row["kind"] == "trap")
    view = reranker.with_options(template=PRODUCT_TEMPLATE, progress=lambda done, _: show(done))
    started = time.perf_counter()
    rankings = view.rank_many(
        [case.query for case in cases], [[one.document for one in several] for several in candidates]
    )
    seconds = time.perf_counter() - started
    return Results(
        outcomes=[Outcome(*three) for three in zip(cases, candidates, rankings, strict=True)],
        pair=_check(reranker, pair["query"], [pair["document"]]),
        trap=_check(reranker, trap["query"], [trap["trap"], trap["answer"]]),
        pairs=sum(map(len, candidates)),
        seconds=seconds,
    )


def recall(cases: Sequence[Case]) -> list[list[Candidate]]:
    """Return the candidates of each case, in BM25's order, those that it did not find at the end."""
    texts = read_data("corpus.jsonl")
    products = read_data("products.jsonl")
    search_texts = _Pool([row["id"] for row in texts], [row["text"] for row in texts], [row["text"] for row in texts])
    search_products = _Pool(
        [row["id"] for row in products], products, [PRODUCT_TEMPLATE.format(**row) for row in products]
    )
    of_language = {lang: {row["id"] for row in texts if row["lang"] == lang} for lang in {row["lang"] for row in texts}}
    found = []
    for case in cases:
        if case.kind == "products":
            found.append(search_products.candidates(case.query, among=set(search_products.ids)))
        elif case.documents is not None:
            found.append(search_texts.candidates(case.query, among=of_language[case.documents]))
        else:
            found.append(search_texts.candidates(case.query, among=None))
    return found


class _Pool:
    """Documents with a BM25 index over their texts."""

    def __init__(self, ids: Sequence[str], documents: Sequence[Document], texts: Sequence[str]) -> None:
        from resift.retrieval.bm25 import BM25

        self.ids = ids
        self._documents = documents
        self._index = BM25(texts)

    def candidates(self, query: str, *, among: set[str] | None) -> list[Candidate]:
        """Return BM25's best documents or, when `among` names documents, all of these."""
        hits = self._index.search(query, top_k=RECALLED if among is None else len(self.ids))
        found = [
            Candidate(self.ids[int(hit.id)], self._documents[int(hit.id)], place, hit.score)
            for place, hit in enumerate(hits, start=1)
        ]
        if among is None:
            return found
        seen = {one.id for one in found}
        rest = (Candidate(name, document, None, None) for name, document in zip(self.ids, self._documents, strict=True))
        return [one for one in [*found, *(one for one in rest if one.id not in seen)] if one.id in among]


def _check(reranker: Reranker, query: str, documents: Sequence[str]) -> Check:
    from resift.retrieval.bm25 import BM25

    hits = {hit.id: hit.score for hit in BM25(documents).search(query, top_k=len(documents))}
    after = reranker.score([(query, document) for document in documents])
    return Check(
        query=query,
        documents=documents,
        before=[hits.get(place, 0.0) for place in range(len(documents))],
        after=[float(score) for score in after],
    )

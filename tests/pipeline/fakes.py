"""Cheap stand-ins: a store of word sets, a reranker of a few lines, and what pipelines of the tests hold."""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from resift.pipeline import Pipeline, SearchResult
from resift.retrieval.protocols import Hit
from resift.types import Document, Int64, RankedDocument


class WordStore:
    """A store that counts shared words. `file` is where `save` puts it; `failing` is what `add` raises."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.failing: Exception | None = None
        self.words: dict[int, frozenset[str]] = {}
        self.mark = 0
        self.calls: list[str] = []
        if file is not None and file.exists():
            self.mark, self.words = pickle.loads(file.read_bytes())

    def __len__(self) -> int:
        return len(self.words)

    def add(self, ids: Int64, texts: Sequence[str]) -> None:
        self.calls.append("add")
        if self.failing is not None:
            raise self.failing
        self.words = {**self.words, **{int(i): frozenset(t.lower().split()) for i, t in zip(ids, texts, strict=True)}}

    def delete(self, ids: Int64) -> None:
        self.calls.append("delete")
        gone = set(ids.tolist())
        self.words = {number: words for number, words in self.words.items() if number not in gone}

    def search(self, query: str, *, top_k: int, among: Int64 | None = None) -> list[Hit]:
        asked = set(query.lower().split())
        allowed = None if among is None else set(among.tolist())
        found = [
            Hit(number, float(len(asked & words)))
            for number, words in self.words.items()
            if asked & words and (allowed is None or number in allowed)
        ]
        return sorted(found, key=lambda hit: (-hit.score, hit.id))[:top_k]

    def search_many(self, queries: Sequence[str], *, top_k: int, among: Int64 | None = None) -> list[list[Hit]]:
        return [self.search(query, top_k=top_k, among=among) for query in queries]

    def save(self, *, mark: int) -> None:
        self.calls.append("save")
        self.mark = mark
        if self.file is not None:
            new = self.file.with_suffix(".new")
            new.write_bytes(pickle.dumps((mark, self.words)))
            new.replace(self.file)

    def close(self) -> None:
        self.calls.append("close")


class LongestFirst:
    """A reranker that likes long texts; `runs` counts the calls, `broken` texts have no score."""

    def __init__(self, *, broken: Iterable[str] = ()) -> None:
        self.runs = 0
        self.pairs = 0
        self.broken = frozenset(broken)

    def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], *, top_k: int | None = None
    ) -> list[list[RankedDocument]]:
        self.runs += 1
        return [self._rank([str(text) for text in texts]) for _, texts in zip(queries, documents, strict=True)]

    def _rank(self, texts: list[str]) -> list[RankedDocument]:
        self.pairs += len(texts)
        order = sorted(range(len(texts)), key=lambda i: (texts[i] in self.broken, -len(texts[i]), i))
        return [
            RankedDocument(i, float("nan"), texts[i], error="it is broken")
            if texts[i] in self.broken
            else RankedDocument(i, float(len(texts[i])), texts[i], truncated=len(texts[i]) > 100)
            for i in order
        ]


class LetterEncoder:
    """Texts to counts of letters, of length 1."""

    name = "letters"
    dimension = 26

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_documents(texts)

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        counts = counts.reshape(len(texts), 26)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        return np.divide(counts, lengths, out=np.zeros_like(counts), where=lengths > 0)


def row(name: str, text: str, **fields: object) -> dict[str, object]:
    return {"id": name, "text": text, **fields}


def ids(result: SearchResult) -> list[str]:
    return [hit.id for hit in result]


def documents(result: SearchResult) -> list[str]:
    return [hit.document for hit in result]


def contents(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return all that the truth shows: the passages of each document."""
    opened = pipeline._opened
    names = [name for some in opened.truth.ids() for name in some]
    found = {name: pipeline.get(name) for name in names}
    return {name: [one.text for one in document.passages] for name, document in found.items() if document is not None}

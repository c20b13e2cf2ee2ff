"""BM25 over character n-grams: the first stage that needs no model and no language setting."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s
import numpy as np

from resift.errors import InputError
from resift.retrieval.analyzer import analyze


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that first-stage retrieval found.

    Attributes:
        index: its place in the indexed list.
        score: how well it matches; comparable within one query only.
    """

    index: int
    score: float


class BM25:
    """An in-memory BM25 index of texts (Robertson and Zaragoza 2009; Lucene's idf).

    >>> index = BM25(["green tea", "black coffee"])
    >>> [hit.index for hit in index.search("coffee", top_k=1)]
    [1]
    """

    def __init__(self, documents: Sequence[str], *, k1: float = 0.9, b: float = 0.4) -> None:
        if not k1 >= 0 or not 0 <= b <= 1:
            raise InputError(f"k1 is {k1} and b is {b}: expected k1 >= 0 and 0 <= b <= 1")
        if isinstance(documents, str) or not all(isinstance(document, str) for document in documents):
            raise InputError("BM25 indexes a list of texts", hint="turn documents with fields into texts first")
        _quieten_bm25s()
        terms = [analyze(document) for document in documents]
        self._size = len(terms)
        self._vocabulary: set[str] = {term for document in terms for term in document}
        self._index: bm25s.BM25 | None = None
        if self._vocabulary:  # bm25s refuses an index without terms
            self._index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
            self._index.index(terms, show_progress=False)

    def __len__(self) -> int:
        return self._size

    def search(self, query: str, *, top_k: int) -> list[Hit]:
        """Return at most `top_k` documents that share a term with the query, sorted by (-score, index)."""
        if top_k < 0:
            raise InputError(f"top_k is {top_k}: expected 0 or more")
        known = [term for term in analyze(query) if term in self._vocabulary]
        if self._index is None or not known:
            return []
        scores = self._index.get_scores(known)
        found = np.flatnonzero(scores > 0)
        best = found[np.argsort(-scores[found], kind="stable")[:top_k]]
        return [Hit(int(index), float(scores[index])) for index in best]


def _quieten_bm25s() -> None:
    """Undo what bm25s does at import: its logger at DEBUG writes into every application's log."""
    logger = logging.getLogger("bm25s")
    if logger.level == logging.DEBUG:
        logger.setLevel(logging.NOTSET)

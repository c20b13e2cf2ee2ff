"""Who is found for a query among the texts of a corpus: by words (BM25) or by vectors, whichever encoder makes them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from resift.errors import InputError
from resift.retrieval.bm25 import BM25
from resift.retrieval.protocols import Encoder
from resift.types import Float32

_QUERIES_AT_ONCE = 64
_TEXTS_AT_ONCE = 1024


class Finder(Protocol):
    """Finds texts of a corpus by their places in it."""

    def find(self, queries: Sequence[str], *, top_k: int) -> list[list[int]]:
        """Return at most `top_k` places for each query, best first; equal ones in their order."""


class WordFinder:
    """BM25 over character n-grams."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._index = BM25(list(texts))

    def find(self, queries: Sequence[str], *, top_k: int) -> list[list[int]]:
        """Return at most `top_k` places for each query."""
        return [[int(hit.id) for hit in hits] for hits in self._index.search_many(queries, top_k=top_k)]


class VectorFinder:
    """The nearest vectors, all of them compared: 4 * dimension bytes a text in memory."""

    def __init__(self, texts: Sequence[str], encoder: Encoder) -> None:
        self._encoder = encoder
        parts = [
            np.asarray(encoder.encode_documents(list(texts[at : at + _TEXTS_AT_ONCE])), np.float32)
            for at in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        self._vectors: Float32 = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
        if len(self._vectors) != len(texts):
            raise InputError(f"the encoder gave {len(self._vectors)} vectors for {len(texts)} texts")

    def find(self, queries: Sequence[str], *, top_k: int) -> list[list[int]]:
        """Return at most `top_k` places for each query."""
        found: list[list[int]] = []
        for at in range(0, len(queries), _QUERIES_AT_ONCE):
            asked = np.asarray(self._encoder.encode_queries(list(queries[at : at + _QUERIES_AT_ONCE])), np.float32)
            for cosines in asked @ self._vectors.T:
                best = np.argsort(-cosines, kind="stable")[:top_k]
                found.append([int(place) for place in best if cosines[place] > 0])
        return found

"""What tokens mean: learned vectors of tokens, and how near a document's are to a query's.

The table is the embedder's (`resift.embedding`): int8 rows of one length, and a scale for each, which is how much the
token counts in the sum that stands for a text. Rows and weights are whole numbers, and every product and sum of them
stays below 2^24, so float32 holds it exactly and no result depends on how a matrix product is split.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[Any]
Rows = NDArray[np.float32]
Floats = NDArray[np.float64]

ROW_LENGTH = 240  # of an int8 row: long enough to say its direction well, short enough that hardly a number is cut
STRIDE = 16  # tokens; windows of two strides overlap by one
SIMILAR = (0.45, 0.65)  # cosines from which on an unmatched token is at level 1, 2
_SMALL_PRODUCT = 1 << 17


class Meaning(NamedTuple):
    """A query's side: its tokens and their sum."""

    rows: Rows  # [tokens, dimension], whole numbers
    weights: Floats  # [tokens], how much each counts
    bag: Floats  # [dimension], the weighted sum, of length 1 (or 0)


class TokenVectors:
    """Vectors of all tokens of a vocabulary."""

    def __init__(self, vectors: NDArray[Any], scales: NDArray[Any]) -> None:
        """Take the embedder's tensors: int8 [tokens, dimension] and float32 [tokens]."""
        if vectors.ndim != 2 or scales.shape != vectors.shape[:1]:
            raise ValueError(f"token vectors {vectors.shape} and scales {scales.shape} do not fit each other")
        self._vectors = vectors.astype(np.float32)
        highest = max(float(scales.max(initial=0.0)), 1e-30)
        self._weights = np.rint(np.maximum(scales, 0) * np.float32(255 / highest)).astype(np.float32)

    def __len__(self) -> int:
        return len(self._vectors)

    def rows(self, ids: Ids) -> Rows:
        """Return the tokens' vectors [tokens, dimension], of length ROW_LENGTH."""
        return self._vectors.take(ids, axis=0)

    def query(self, ids: Ids) -> Meaning:
        """Return what pairs of one query share."""
        rows, weights = self._vectors[ids], self._weights[ids]
        bag = (rows * weights[:, None]).sum(axis=0).astype(np.float64)
        return Meaning(rows, weights.astype(np.float64), bag / max(float(np.sqrt((bag * bag).sum())), 1e-30))

    def likeness(self, query: Meaning, ids: Ids, rows: Rows) -> tuple[float, float]:
        """Return the cosines of the query's sum with the document's, and with that of its best window."""
        if not len(ids):
            return 0.0, 0.0
        weights = self._weights[ids]
        # Subtle: products this small stay on one thread, and waking the others costs many times the product.
        parts = [weights[at : at + STRIDE] @ rows[at : at + STRIDE] for at in range(0, len(ids), STRIDE)]
        strides = np.array(parts, np.float64)
        windows = strides[:-1] + strides[1:] if len(parts) > 1 else strides
        sums = np.concatenate([strides.sum(axis=0, keepdims=True), windows])
        lengths = np.sqrt((sums * sums).sum(axis=1))
        cosines = (sums * query.bag).sum(axis=1) / np.maximum(lengths, 1e-30)
        return float(cosines[0]), float(cosines[1:].max())


def cosines(query: Rows, document: Rows) -> Rows:
    """Return [nq, nd] from vectors of length ROW_LENGTH."""
    # Subtle: OpenBLAS splits a product over threads from 2^18 multiplications on.
    found = np.empty((len(query), len(document)), np.float32)
    rows = max(1, _SMALL_PRODUCT // max(1, query.size))
    for at in range(0, len(document), rows):
        np.matmul(query, document[at : at + rows].T, out=found[:, at : at + rows])
    found *= np.float32(1 / ROW_LENGTH**2)
    return found


def best_tokens(idf: Floats, weights: Floats, similar: Rows) -> tuple[float, float, float, float]:
    """Return how near the document's nearest tokens are to the query's.

    Means by idf, by its square, of what is above a limit, and by the learned weights.
    """
    if not similar.size:
        return 0.0, 0.0, 0.0, 0.0
    best = similar.max(axis=1).astype(np.float64)
    total, square = max(float(idf.sum()), 1e-6), idf * idf
    return (
        float((best * idf).sum()) / total,
        float((best * square).sum()) / max(float(square.sum()), 1e-6),
        float((np.maximum(best - SIMILAR[0], 0.0) * idf).sum()) / total,
        float((best * weights).sum()) / max(float(weights.sum()), 1e-6),
    )

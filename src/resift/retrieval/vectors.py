"""Vectors: what is refused, length 1, and cosines whose bits depend on nothing but the two vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from resift.errors import InputError
from resift.types import Float32, Int64

ROUNDING = 1e-5
"""How far a float32 inner product of unit vectors, added in any order, is from the exact one; measured: below 2e-6."""


def as_unit(vectors: Any, *, dimension: int | None, source: str) -> Float32:
    """Return float32 [n, dimension] of length 1; a vector of zeros, which says nothing, stays one.

    Args:
        vectors: anything numpy makes a matrix of numbers of.
        dimension: what each must have; None takes any.
        source: what gave them, for messages.

    Raises InputError for another shape, and for NaN and infinity.
    """
    try:
        found = np.asarray(vectors)
        if found.dtype != np.float32:
            found = found.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{source} gave no matrix of numbers, expected [texts, dimension]") from None
    if found.ndim != 2:
        raise InputError(f"{source} gave an array of shape {found.shape}, expected [texts, dimension]")
    if dimension is not None and found.shape[1] != dimension:
        raise InputError(f"{source} gave vectors of {found.shape[1]} numbers, expected {dimension}")
    lengths = np.sqrt(np.einsum("ij,ij->i", found, found, dtype=np.float64))[:, None]
    if not np.isfinite(lengths).all():
        raise InputError(f"{source} gave NaN or infinity in vector {int(np.flatnonzero(~np.isfinite(lengths))[0])}")
    return np.ascontiguousarray(found / np.where(lengths == 0, 1.0, lengths), dtype=np.float32)


def as_ids(ids: Any) -> Int64:
    """Return int64 [n]; raises InputError for anything but whole numbers."""
    found = np.asarray(ids)
    if found.size == 0:
        return np.empty(0, np.int64)
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"ids is an array of {found.dtype} and shape {found.shape}, expected whole numbers [n]")
    if found.dtype == np.uint64 and found.max() > np.iinfo(np.int64).max:
        raise InputError(f"ids has {found.max()}, expected numbers below 2**63")
    return found.astype(np.int64)


def as_texts(texts: Sequence[str], name: str) -> list[str]:
    """Return the texts as a list; raises InputError for a single text and for anything that is no text."""
    found = [] if isinstance(texts, str) else list(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in found):
        raise InputError(f"{name} is no list of texts", hint="turn documents with fields into texts first")
    return found


def cosines(vectors: Float32, query: Float32) -> Float32:
    """Return the inner products of vectors [n, dimension] and one query, each rounded once, to float32 [n].

    Products are added in float64 and in one order, so that equal vectors have equal scores wherever they stand.
    """
    products: Float32 = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    return products

"""Vectors of tokens: cosines, sums and windows equal plain float64 arithmetic."""

import numpy as np
import pytest

from resift.text.meaning import ROW_LENGTH, SIMILAR, STRIDE, TokenVectors, best_tokens, cosines

TOKENS, DIMENSION = 50, 96
RNG = np.random.default_rng(3)
UNIT = RNG.normal(size=(TOKENS, DIMENSION))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)
ROWS = np.clip(np.rint(UNIT * ROW_LENGTH), -127, 127).astype(np.int8)
SCALES = RNG.uniform(0, 0.02, TOKENS).astype(np.float32)
VECTORS = TokenVectors(ROWS, SCALES)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("length", [1, STRIDE, STRIDE + 1, 2 * STRIDE, 2 * STRIDE + 5, 200])
def test_sums_and_windows(length: int) -> None:
    asked, ids = RNG.integers(0, TOKENS, 7), RNG.integers(0, TOKENS, length)
    rows = ROWS.astype(np.float64)
    weights = np.rint(SCALES * np.float32(255 / SCALES.max())).astype(np.float64)
    query = weights[asked] @ rows[asked]
    starts = range(0, max(1, length - STRIDE), STRIDE)
    windows = [slice(at, at + 2 * STRIDE) for at in starts]
    expected = max(cosine(query, weights[ids[w]] @ rows[ids[w]]) for w in windows)
    whole, best = VECTORS.likeness(VECTORS.query(asked), ids, VECTORS.rows(ids))
    assert whole == pytest.approx(cosine(query, weights[ids] @ rows[ids]), abs=1e-9)
    assert best == pytest.approx(expected, abs=1e-9)


def test_cosines_of_tokens_are_exact_whatever_the_parts() -> None:
    query, document = RNG.integers(0, TOKENS, 90), RNG.integers(0, TOKENS, 700)
    found = cosines(VECTORS.rows(query), VECTORS.rows(document))
    whole = ROWS[query].astype(np.int64) @ ROWS[document].astype(np.int64).T
    np.testing.assert_array_equal(found, whole.astype(np.float32) * np.float32(1 / ROW_LENGTH**2))
    np.testing.assert_allclose(found, UNIT[query] @ UNIT[document].T, atol=0.02)


def test_best_tokens() -> None:
    idf, weights = np.array([1.0, 3.0]), np.array([2.0, 2.0])
    similar = np.array([[0.2, 0.4], [1.0, 0.1]], np.float32)
    mean, rare, low, weighted = best_tokens(idf, weights, similar)
    assert mean == pytest.approx((0.4 + 3) / 4)
    assert rare == pytest.approx((0.4 + 9) / 10)
    assert low == pytest.approx(3 * (1 - SIMILAR[0]) / 4)
    assert weighted == pytest.approx(0.7)


def test_nothing_is_like_nothing() -> None:
    empty = np.zeros(0, np.int64)
    query = VECTORS.query(empty)
    assert VECTORS.likeness(query, np.array([1, 2]), VECTORS.rows(np.array([1, 2]))) == (0.0, 0.0)
    assert VECTORS.likeness(VECTORS.query(np.array([1])), empty, VECTORS.rows(empty)) == (0.0, 0.0)
    assert best_tokens(np.zeros(0), np.zeros(0), cosines(query.rows, VECTORS.rows(np.array([1])))) == (
        0.0,
        0.0,
        0.0,
        0.0,
    )


def test_tables_must_fit_each_other() -> None:
    with pytest.raises(ValueError, match="do not fit each other"):
        TokenVectors(ROWS, SCALES[1:])

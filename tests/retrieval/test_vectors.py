import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.retrieval.vectors import ROUNDING, as_ids, as_texts, as_unit, cosines


@given(st.integers(0, 1000), st.sampled_from([1, 3, 64, 256, 1024, 4096]), st.booleans())
def test_products_of_float32_are_as_near_as_promised(seed: int, dimension: int, positive: bool) -> None:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((20, dimension))
    units = as_unit(np.abs(rows) if positive else rows, dimension=None, source="test")
    exact = cosines(units, units[0])
    assert np.abs(exact - units @ units[0]).max() < ROUNDING / 4
    one_by_one = np.zeros(20, np.float32)
    for column in range(dimension):  # the worst order
        one_by_one += units[:, column] * units[0, column]
    assert np.abs(exact - one_by_one).max() < ROUNDING


@given(st.integers(0, 1000), st.integers(1, 40), st.sampled_from([1, 7, 64, 300]))
def test_a_cosine_depends_on_two_vectors_only(seed: int, count: int, dimension: int) -> None:
    random = np.random.default_rng(seed)
    units = as_unit(random.standard_normal((count, dimension)), dimension=dimension, source="test")
    together = cosines(units, units[0])
    alone = [cosines(row[None], units[0])[0] for row in units]
    assert together.tolist() == alone
    assert cosines(units[::-1], units[0]).tolist() == alone[::-1]


def test_unit() -> None:
    units = as_unit([[3, 4], [0, 0], [1e-30, 0], [1e30, 1e30]], dimension=2, source="test")
    assert units.dtype == np.float32
    assert np.allclose(units, [[0.6, 0.8], [0, 0], [1, 0], [0.5**0.5, 0.5**0.5]])
    given = np.ones((1, 2), np.float32)
    as_unit(given, dimension=2, source="test")
    assert given.tolist() == [[1, 1]]
    assert as_unit(np.empty((0, 3)), dimension=3, source="test").shape == (0, 3)
    for wrong, words in [
        ([1.0, 2.0], "shape"),
        ([[1.0, np.inf]], "infinity in vector 0"),
        ([["a", "b"]], "no matrix"),
        ([[1.0], [1.0, 2.0]], "no matrix"),
        (None, "no matrix|shape"),
        ([[1.0]], "1 numbers, expected 2"),
    ]:
        with pytest.raises(InputError, match=words):
            as_unit(wrong, dimension=2, source="test")


def test_ids() -> None:
    assert as_ids([]).tolist() == []
    assert as_ids(range(3)).tolist() == [0, 1, 2]
    assert as_ids(np.array([1, 2], np.uint8)).dtype == np.int64
    for wrong in ([1.0], ["1"], [[1]], [True], [2**63], 5):
        with pytest.raises(InputError):
            as_ids(wrong)


def test_texts() -> None:
    assert as_texts(("a", "b"), "texts") == ["a", "b"]
    for wrong in ("a", ["a", 1], [None]):
        with pytest.raises(InputError, match="texts"):
            as_texts(wrong, "texts")  # type: ignore[arg-type]

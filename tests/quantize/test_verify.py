"""What is measured between two lists of scores, by hand."""

import numpy as np
import pytest

from resift.quantize.verify import JudgedPair, Tolerance, compare, spearman

F = np.float32


def pairs(queries: str, labels: list[float | None] | None = None) -> list[JudgedPair]:
    labels = labels if labels is not None else [None] * len(queries)
    return [JudgedPair(q, f"d{i}", label) for i, (q, label) in enumerate(zip(queries, labels, strict=True))]


def test_spearman() -> None:
    assert spearman(F([1, 2, 3]), F([10, 20, 30])) == pytest.approx(1)
    assert spearman(F([1, 2, 3]), F([3, 2, 1])) == pytest.approx(-1)
    # ranks 1 2 3 4 against 1 3 2 4: 1 - 6 * 2 / (4 * 15)
    assert spearman(F([1, 2, 3, 4]), F([1, 3, 2, 4])) == pytest.approx(0.8)
    # ties share their rank: 1 2.5 2.5 4 against 1 2 3 4
    assert spearman(F([1, 2, 2, 4]), F([1, 2, 3, 4])) == pytest.approx(0.9486833)
    assert spearman(F([1, 1]), F([1, 2])) is None
    assert spearman(F([]), F([])) is None


def test_overlap_of_many_and_of_few() -> None:
    full = F(range(40))
    other = full.copy()
    other[[39, 0]] = [-1, 50]  # one of the first ten leaves
    assert compare(pairs("q" * 40), full, other).overlap == pytest.approx(0.9)
    # six documents: the first three
    assert compare(pairs("q" * 6), F([6, 5, 4, 3, 2, 1]), F([6, 5, 3, 4, 2, 1])).overlap == pytest.approx(2 / 3)
    assert compare(pairs("ab"), F([1, 2]), F([2, 1])).overlap is None
    # a mean over the queries
    assert compare(pairs("aabb"), F([1, 2, 1, 2]), F([1, 2, 2, 1])).overlap == pytest.approx(0.5)


def test_ndcg() -> None:
    found = compare(pairs("qqqz", [0, 1, 3, None]), F([1, 2, 3, 0]), F([1, 3, 2, 0])).ndcg
    assert found is not None
    ideal = 7 + 1 / np.log2(3)
    assert found == pytest.approx((1, (1 + 7 / np.log2(3)) / ideal))
    assert compare(pairs("qq"), F([1, 2]), F([1, 2])).ndcg is None
    assert compare(pairs("qq", [0, 0]), F([1, 2]), F([1, 2])).ndcg is None


def test_tolerances() -> None:
    found = compare(pairs("qqqq", [3, 0, 0, 0]), F([4, 3, 2, 1]), F([1, 2, 3, 4]))
    assert found.largest_change == 3
    assert found.spread == pytest.approx(np.std([1, 2, 3, 4]))
    failures = found.failures(Tolerance(change=2.5))
    assert [failure.split()[0] for failure in failures] == ["Spearman", "top-10", "a", "nDCG@10"]
    assert found.failures(Tolerance(spearman=-1, overlap=0, change=3, ndcg_drop=1)) == []
    assert compare(pairs("qq"), F([1, 2]), F([1, 2])).failures(Tolerance(1, 1, 0, 0)) == []
    assert compare([], F([]), F([])).failures(Tolerance()) == []

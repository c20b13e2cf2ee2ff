import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resift.retrieval.milvus.filters import RANGES, both, expressions, lists

RANGE = range(-300, 300)


@given(st.sets(st.sampled_from(RANGE)), st.sets(st.tuples(st.sampled_from(RANGE), st.integers(0, 100)), max_size=4))
def test_each_id_passes_exactly_one_filter_and_no_other_id_any(alone: set[int], runs: set[tuple[int, int]]) -> None:
    ids = alone.union(*(range(first, first + length) for first, length in runs))
    filters = expressions("id", np.array(sorted(ids, key=hash), np.int64), size=50)
    for one in range(-310, 410):  # what Milvus reads is Python, too
        assert sum(eval(expression, {"id": one}) for expression in filters) == (one in ids)


def test_long_lists_are_cut() -> None:
    scattered = np.arange(0, 50, 2)
    assert [len(eval(one.removeprefix("id in "))) for one in expressions("id", scattered, size=10)] == [10, 10, 5]
    ranges = np.concatenate([np.arange(start, start + 20) for start in range(0, 30 * (RANGES + 1), 30)])
    assert [one.count(" or ") + 1 for one in expressions("id", ranges, size=10)] == [RANGES, 1]


def test_a_run_is_a_range() -> None:
    assert expressions("id", np.arange(1_000_000), size=10) == ["(id >= 0 and id <= 999999)"]


def test_texts_are_quoted() -> None:
    [found] = expressions("key", ["b", "it's", 'a "q" \\', "水", "b"], size=10)
    assert eval(found.removeprefix("key in ")) == sorted(["b", "it's", 'a "q" \\', "水"])


def test_lists_keep_the_order_and_repetitions() -> None:
    assert lists("id", [3, 1, 3], size=2) == ["id in [3, 1]", "id in [3]"]


def test_both() -> None:
    assert both("a == 1 or b == 2", "id in [1]") == "(a == 1 or b == 2) and (id in [1])"
    assert both("", "a") == both("a", "") == "a"

from hypothesis import given
from hypothesis import strategies as st

from resift.engine.plan import plan


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 300))
def test_every_sequence_runs_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= budget for batch in batches)


def test_longest_first() -> None:
    assert plan([3, 9, 3, 5], 12) == [[1], [3, 0, 2]]
    assert plan([], 12) == []

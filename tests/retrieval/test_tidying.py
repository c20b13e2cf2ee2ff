import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.retrieval.tidying import FAN, Load, choose, pack


def loads(*fullness: float, dead: float = 0) -> list[Load]:
    return [Load(one, dead, place) for place, one in enumerate(fullness)]


def test_nothing_is_to_be_done() -> None:
    assert choose([]) is None
    assert choose(loads(1, 1, 0.9, 0.5)) is None
    assert choose(loads(*[0.001] * (FAN - 1))) is None


def test_eight_of_a_level_become_one() -> None:
    assert choose(loads(0.9, *[0.01] * FAN, 0.0001)) == list(range(1, FAN + 1))
    assert choose(loads(*[0.0001] * FAN, *[0.01] * FAN)) == list(range(FAN)), "small ones first"


def test_segments_that_fill_one_become_one() -> None:
    assert choose(loads(0.4, 0.9, 0.4)) == [0, 2]
    assert choose(loads(0.25, 0.25, 0.25)) is None
    assert choose(loads(0.25, 0.25, 0.25, 0.25)) == [0, 1, 2, 3]
    assert choose(loads(0.26, 0.49, 0.49)) == [0, 1]


def test_mostly_deleted_segments_are_written_again() -> None:
    assert choose([Load(0.9, 0, 0), Load(0.6, 0.4, 1)]) == [1]
    assert choose([Load(0.9, 0, 0), Load(0.8, 0.2, 1)]) is None


@given(st.lists(st.floats(1e-6, 1), max_size=40))
def test_packing_keeps_the_order_and_fills_no_segment_above_one(fullness: list[float]) -> None:
    groups = pack(loads(*fullness))
    assert [place for group in groups for place in group] == list(range(len(fullness)))
    assert all(sum(fullness[place] for place in group) <= 1 or len(group) == 1 for group in groups)
    for one, two in itertools.pairwise(groups):
        assert sum(fullness[place] for place in one) + fullness[two[0]] > 1


@pytest.mark.parametrize("sizes", [[1 / 65536], [0.25], [0.15], [1e-4, 0.3, 0.02], [0.49]])
def test_work_and_number_of_segments_stay_bounded(sizes: list[float]) -> None:
    """Segments come in a long row: each document is written a few times, few segments are not full."""
    draw = random.Random(1)
    have: list[float] = []
    added = written = 0.0
    for _ in range(800):
        have.append(draw.choice(sizes))
        added += have[-1]
        while (places := choose(loads(*have))) is not None:
            size = sum(have[place] for place in places)
            assert size <= 1 + 1e-9
            written += size
            have = [one for place, one in enumerate(have) if place not in places] + [size]
        assert sum(one <= 0.5 for one in have) <= 6 * FAN
    assert written <= 7 * added

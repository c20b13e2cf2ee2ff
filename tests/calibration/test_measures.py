"""Measures against loops, and their intervals on pairs whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resift.calibration.measures import Judge

pairs = st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans(), st.integers(0, 4)), min_size=1, max_size=60)


@settings(max_examples=40)
@given(pairs)
def test_values_are_those_of_loops(data: list[tuple[float, bool, int]]) -> None:
    p, y, queries = ([one[i] for one in data] for i in range(3))
    found = Judge(y, queries, rounds=20).quality(p)
    assert found.brier.value == pytest.approx(sum((a - b) ** 2 for a, b in zip(p, y, strict=True)) / len(p))
    lost = [-math.log(a if b else 1 - a) for a, b in zip(p, y, strict=True)]
    assert found.log_loss.value == pytest.approx(sum(lost) / len(p))
    assert sum(one.pairs for one in found.bins) == len(p)
    gap = sum(one.pairs * abs(one.predicted - one.observed.value) for one in found.bins) / len(p)
    assert found.ece.value == pytest.approx(gap)
    # Bins follow each other, and equal probabilities are in one.
    order = np.sort(p)
    start = 0
    for one in found.bins:
        part = order[start : start + one.pairs]
        assert one.predicted == pytest.approx(part.mean())
        start += one.pairs
        assert start == len(p) or order[start] > part[-1]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of pairs of one query all have one label: intervals over pairs would be far too narrow."""
    random = np.random.default_rng(3)
    held, rounds = 0, 200
    for _ in range(rounds):
        queries = np.repeat(np.arange(60), 10)
        y = (random.random(60) < 0.3)[queries]
        interval = Judge(y, queries, rounds=200, seed=int(random.integers(1 << 30))).quality(np.full(600, 0.3)).brier
        held += interval.low <= 0.3 * 0.7 <= interval.high
    assert 0.88 <= held / rounds <= 0.99


def test_a_perfect_calibration_has_an_ece_of_0_within_its_interval() -> None:
    random = np.random.default_rng(0)
    p = random.beta(0.5, 2, 6000)
    judge = Judge(random.random(6000) < p, np.arange(6000) // 10)
    right, wrong = judge.quality(p), judge.quality(np.sqrt(p))
    assert right.ece.low < 0.005 < wrong.ece.low
    assert judge.gain(np.sqrt(p), p).low > 0 > judge.gain(p, np.sqrt(p)).high
    assert judge.gain(p, p) == (0, 0, 0)
    assert judge.quality(p) == right  # the same resamples each time

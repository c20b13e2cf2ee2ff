"""How long batches may be, from numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.engine.pacing import Pacing, Speed

FIXED, PACE = 0.0004, 3e-6


def measured(pacing: Pacing, *sizes: int, model: str = "m") -> Pacing:
    for tokens in sizes:
        pacing.measured(model, tokens, FIXED + PACE * tokens)
    return pacing


def test_the_two_parts_of_a_batch_are_told_apart() -> None:
    speed = Speed()
    assert not speed.measured
    for tokens in (50, 800, 120, 4000, 60, 900):
        speed.add(tokens, FIXED + PACE * tokens)
    assert speed.measured
    assert speed.pace == pytest.approx(PACE, rel=1e-6)
    assert speed.fixed == pytest.approx(FIXED, rel=1e-6)
    assert speed.seconds(1000) == pytest.approx(FIXED + 1000 * PACE)
    assert speed.tokens(speed.seconds(1000)) == pytest.approx(1000, abs=1)
    assert speed.tokens(FIXED / 2) == 0


def test_batches_of_one_size_give_their_mean() -> None:
    speed = Speed()
    for _ in range(5):
        speed.add(100, 0.01)
    assert speed.seconds(100) == pytest.approx(0.01)
    assert speed.fixed == pytest.approx(0.0, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 9000), st.floats(0, 1000)), min_size=1, max_size=30))
def test_no_measurement_makes_nonsense(batches: list[tuple[int, float]]) -> None:
    speed = Speed()
    for tokens, seconds in batches:
        speed.add(tokens, seconds)
        assert speed.pace > 0
        assert speed.fixed >= -1e-9 * speed.seconds(9000)
        assert speed.tokens(0.02) >= 0


def test_what_was_fast_long_ago_is_forgotten() -> None:
    speed = Speed()
    for _ in range(50):
        speed.add(100, 0.001)
    for _ in range(50):
        speed.add(100, 0.1)
    assert speed.seconds(100) == pytest.approx(0.1, rel=0.02)


def test_batches_are_long_while_nobody_is_in_a_hurry() -> None:
    pacing = measured(Pacing(max_batch_tokens=100_000), 100, 1000, 5000)
    pacing.opened("m", 200_000, now=0.0)
    limit = pacing.limit("m", 1.0)
    assert not limit.brief
    # 2.5 % of such a batch is the fixed part, or it lasts 20 ms.
    assert FIXED / (FIXED + PACE * limit.tokens) <= 0.026


def test_the_budget_is_kept() -> None:
    pacing = measured(Pacing(max_batch_tokens=700), 100, 1000, 5000)
    assert pacing.limit("m", 0.0).tokens == 700


def test_a_short_task_makes_batches_short_for_a_while() -> None:
    pacing = measured(Pacing(max_batch_tokens=8192), 100, 1000, 5000)
    pacing.opened("m", 200_000, now=0.0)
    long = pacing.limit("m", 1.0).tokens
    pacing.opened("m", 40, now=2.0)
    pacing.opened("m", 200_000, now=3.0)
    short = pacing.limit("m", 4.0)
    assert short.brief
    assert short.tokens < long / 5
    assert pacing.seconds("m", short.tokens) <= 0.002 + pacing.seconds("m", 40) + PACE
    assert pacing.limit("m", 40.0).tokens == long


def test_many_short_tasks_share_larger_batches() -> None:
    pacing = measured(Pacing(max_batch_tokens=8192), 100, 1000, 5000)
    pacing.opened("m", 40, now=0.0)
    assert pacing.limit("m", 0.0, waiting=64).tokens > 4 * pacing.limit("m", 0.0, waiting=1).tokens


def test_a_short_task_of_one_model_shortens_the_batches_of_another() -> None:
    pacing = measured(measured(Pacing(max_batch_tokens=8192), 100, 1000), 100, 1000, model="other")
    long = pacing.limit("other", 0.0).tokens
    pacing.opened("m", 40, now=0.0)
    assert pacing.shortest(0.0) == ("m", 40)
    assert pacing.limit("other", 0.0).tokens < long


def test_a_batch_always_has_room_for_something() -> None:
    pacing = Pacing(max_batch_tokens=8192)
    for _ in range(20):
        pacing.measured("m", 10, 5.0)
    pacing.opened("m", 1, now=0.0)
    assert pacing.limit("m", 0.0).tokens >= 1

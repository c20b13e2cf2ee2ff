"""Training that goes wrong stops, and the message says how."""

import math

import numpy as np
import pytest

from resift.errors import TrainingFailed
from resift.training.guards import PATIENCE, Watch, check_scores


def feed(losses: list[float], spread: float = 1.0) -> None:
    watch = Watch(rate=1e-3)
    for step, loss in enumerate(losses, start=1):
        watch.see(step, loss, spread)


def test_ordinary_training_passes() -> None:
    random = np.random.default_rng(0)
    feed([2.0 * math.exp(-i / 200) + 0.3 * float(random.random()) for i in range(1000)])
    feed([0.05 + (1.5 if i % 20 == 0 else 0.0) for i in range(500)])  # a hard batch now and then


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_named_with_its_step(bad: float) -> None:
    with pytest.raises(
        TrainingFailed, match=r"step 3: the loss is (nan|inf): training has diverged .*0\.001"
    ) as caught:
        feed([1.0, 1.0, bad])
    assert caught.value.hint is not None
    assert "0.0002" in caught.value.hint


def test_a_rising_loss_is_named() -> None:
    with pytest.raises(TrainingFailed, match=r"it began with 0\.5: training diverges"):
        feed([0.5] * PATIENCE + [0.5 + 0.1 * i for i in range(200)])
    feed([0.5] * PATIENCE + [1.8] * 200)  # worse, but within twice the start and one


def test_equal_scores_are_named_after_a_while() -> None:
    with pytest.raises(TrainingFailed, match=f"step {PATIENCE}: the scores of every list have been equal"):
        feed([2.08] * PATIENCE, spread=0.0)
    watch = Watch(rate=1.0)
    for step in range(3 * PATIENCE):
        watch.see(step, 2.08, 0.0 if step % (PATIENCE - 1) else 0.5)  # something differs now and then


def test_held_out_lists_without_a_difference_are_a_collapse() -> None:
    flat = [np.full(4, 0.3, np.float32), np.full(2, -1, np.float32), np.zeros(1, np.float32)]
    with pytest.raises(TrainingFailed, match=r"dev: all scores of every list are equal \(0\.3000 in the first\)"):
        check_scores(flat, what="dev")
    check_scores([*flat, np.array([0.1, 0.2], np.float32)], what="dev")
    with pytest.raises(TrainingFailed, match="not finite"):
        check_scores([np.array([np.nan, 0], np.float32)], what="dev")

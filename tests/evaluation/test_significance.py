"""The tests against brute force, scipy, the definition of closed testing, and simulations in which nothing differs."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resift.evaluation.significance import (
    EXACT_UP_TO,
    bootstrap_interval,
    cluster_sums,
    minimum_detectable,
    sign_flip_test,
    standard_error,
)
from resift.experiments.statistics import holm


def differences(size: int, *, seed: int, mean: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(mean, 1, size) * (random.random(size) < 0.7)  # ties are common in retrieval


@given(st.lists(st.sampled_from([-1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=8))
def test_few_queries_are_counted_out(values: list[float]) -> None:
    observed = abs(sum(values)) - 1e-9
    patterns = [abs(sum(sign * value for sign, value in zip(signs, values, strict=True))) for signs in
                product((-1, 1), repeat=len(values))]  # fmt: skip
    tested = sign_flip_test(np.array(values))
    assert tested.exact
    assert tested.p == pytest.approx(np.mean([value >= observed for value in patterns]), abs=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.4, -1.0])
@pytest.mark.parametrize("size", [5, 12, 60])
def test_p_is_scipys(size: int, mean: float) -> None:
    values = differences(size, seed=size, mean=mean)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, alternative="two-sided", rng=1
    )
    ours = sign_flip_test(values, rounds=20_000, seed=2)
    assert ours.exact == ((np.abs(values) > 0).sum() <= EXACT_UP_TO)
    # Exact on both sides up to rounding; else both are drawn: 4 standard errors of either.
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9 if size == 5 else 4 * np.sqrt(2 * 0.25 / 20_000))


def test_clusters_flip_together() -> None:
    values = np.array([0.3, 0.2, -0.1, 0.5, 0.4, -0.2, 0.1])
    clusters = ["a", "a", "b", "c", "c", "d", "b"]
    sums, counts = cluster_sums(values, clusters)
    assert sums.tolist() == pytest.approx([0.5, 0.0, 0.9, -0.2])
    assert counts.tolist() == [2, 2, 2, 1]
    assert sign_flip_test(values, clusters=clusters) == sign_flip_test(sums)
    assert sign_flip_test(values, clusters=list("abcdefg")) == sign_flip_test(values)


def test_copies_of_a_question_prove_nothing_more() -> None:
    values = differences(40, seed=3, mean=0.4)
    copies = np.tile(values, 5)
    clusters = [*range(40)] * 5
    alone = sign_flip_test(values, seed=1)
    assert sign_flip_test(copies, clusters=clusters, seed=1) == alone
    assert sign_flip_test(copies, seed=1).p < alone.p / 2
    assert bootstrap_interval(copies, clusters=clusters) == pytest.approx(bootstrap_interval(values))
    assert minimum_detectable(copies, clusters=clusters) == pytest.approx(minimum_detectable(values))


def test_large_clusters_weigh_more_in_the_interval() -> None:
    # Drawing two of (one 1, nine 0) gives means of 1, 1/10 and 0, the outer ones a quarter of the time each.
    values = np.array([1.0] + [0.0] * 9)
    assert bootstrap_interval(values, clusters=["a"] + ["b"] * 9) == (0.0, 1.0)
    assert bootstrap_interval(values, clusters=["a"] + ["b"] * 9, confidence=0.4) == pytest.approx((0.1, 0.1))


def test_nothing_differs() -> None:
    assert sign_flip_test(np.zeros(30)).p == 1.0
    assert sign_flip_test(np.array([])).p == 1.0
    assert bootstrap_interval(np.full(5, 0.25)) == (0.25, 0.25)
    assert bootstrap_interval(np.array([])) == (0.0, 0.0)
    assert minimum_detectable(np.zeros(30)) is None
    assert minimum_detectable(np.array([1.0])) is None


def test_wrong_number_of_clusters() -> None:
    with pytest.raises(ValueError, match="3 values and 2 clusters"):
        sign_flip_test(np.ones(3), clusters=["a", "b"])


def false_positives(*, clustered: bool, experiments: int = 400) -> int:
    """Count p < 0.05 where both systems are the same but for noise."""
    found = 0
    for seed in range(experiments):
        random = np.random.default_rng(seed)
        shared = random.normal(0, 1, 30)
        values = np.concatenate([shared + random.normal(0, 0.3, 30) for _ in range(4)])
        clusters = [*range(30)] * 4 if clustered else None
        found += sign_flip_test(values, clusters=clusters, rounds=500, seed=seed).p < 0.05
    return found


def test_a_against_a_is_found_different_as_often_as_it_may_be() -> None:
    # 400 experiments at 0.05: 99.9% of binomial counts lie within 8 to 36.
    low, high = stats.binom.interval(0.999, 400, 0.05)
    assert low <= false_positives(clustered=True) <= high


def test_without_clusters_parallel_questions_deceive() -> None:
    assert false_positives(clustered=False) > 3 * 0.05 * 400


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(0.3, 1, 80)
        low, high = bootstrap_interval(values, rounds=500, seed=seed)
        held += low <= 0.3 <= high
    low_count, high_count = stats.binom.interval(0.999, 200, 0.94)  # the percentile interval is a little narrow
    assert low_count <= held <= high_count


def test_the_interval_is_scipys() -> None:
    values = differences(70, seed=9, mean=0.2)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=3).confidence_interval
    ours = bootstrap_interval(values, rounds=20_000, seed=4)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_closed_testing(p_values: list[float]) -> None:
    """Holm's p of a hypothesis is the largest Bonferroni p of all the sets of hypotheses that hold it."""
    everything = range(len(p_values))
    wanted = []
    for one in everything:
        sets = [s for size in range(1, len(p_values) + 1) for s in combinations(everything, size) if one in s]
        wanted.append(max(min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets))
    assert holm(p_values) == pytest.approx(wanted, abs=1e-12)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_standard_error_without_clusters_is_the_usual_one() -> None:
    values = differences(50, seed=5)
    assert standard_error(values) == pytest.approx(stats.sem(values))


def test_what_is_said_to_be_detectable_is_detected_four_times_in_five() -> None:
    noise = np.random.default_rng(0)
    effect = minimum_detectable(noise.normal(0, 1, 100)) or 0.0
    found = sum(
        sign_flip_test(np.random.default_rng(seed).normal(effect, 1, 100), rounds=400, seed=seed).p < 0.05
        for seed in range(200)
    )
    low, high = stats.binom.interval(0.999, 200, 0.8)
    assert low - 16 <= found <= high + 16  # the effect itself comes from one sample of 100

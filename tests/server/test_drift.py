"""Drift: the statistics against their definitions, and the windows."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.server.drift import DriftWatch, kolmogorov_smirnov, population_stability, read_reference
from resift.types import Float32

SAMPLES = st.lists(st.floats(-12, 12, width=32), min_size=1, max_size=60).map(lambda v: np.array(v, np.float32))


def normal(mean: float, count: int = 2000, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(mean, 2, count).astype(np.float32)


@given(SAMPLES, SAMPLES)
def test_ks_is_its_definition(first: Float32, second: Float32) -> None:
    every = np.concatenate([first, second])
    expected = max(abs((first <= x).mean() - (second <= x).mean()) for x in every)
    assert kolmogorov_smirnov(first, second) == pytest.approx(expected)
    assert kolmogorov_smirnov(second, first) == pytest.approx(expected)


@given(SAMPLES, SAMPLES)
def test_psi_is_zero_for_the_same_and_never_negative(first: Float32, second: Float32) -> None:
    assert population_stability(first, first) == 0
    assert population_stability(first, second) >= -1e-9


def test_psi_of_known_shares() -> None:
    """Two halves become nine tenths and one: (0.4 ln 1.8) + (-0.4 ln 0.2)."""
    reference = np.repeat(np.float32([0, 1]), 50)
    recent = np.repeat(np.float32([0, 1]), [90, 10])
    assert population_stability(reference, recent) == pytest.approx(0.4 * np.log(1.8) - 0.4 * np.log(0.2), rel=1e-3)


def test_a_shift_is_seen_and_chance_is_not() -> None:
    assert population_stability(normal(0), normal(0, seed=1)) < 0.1
    assert kolmogorov_smirnov(normal(0), normal(0, seed=1)) < 0.06
    assert population_stability(normal(0), normal(2, seed=1)) > 0.25
    assert kolmogorov_smirnov(normal(0), normal(2, seed=1)) > 0.3


def test_the_first_scores_are_the_reference() -> None:
    watch = DriftWatch(100)
    watch.add("m", normal(0, 150))
    assert watch.measure() == {}
    watch.add("m", normal(0, 49))
    assert watch.measure() == {}
    watch.add("m", np.float32([1.0]))
    watch.add("other", np.float32([1.0]))
    assert set(watch.measure()) == {"m"}
    psi, ks = watch.measure()["m"]
    expected = np.concatenate([normal(0, 150)[100:], normal(0, 49), np.float32([1.0])])
    assert psi == population_stability(normal(0, 150)[:100], expected)
    assert ks == kolmogorov_smirnov(normal(0, 150)[:100], expected)


def test_only_the_last_scores_count() -> None:
    watch = DriftWatch(100)
    watch.add("m", normal(0, 100))
    for mean in (9, 9, 0):
        watch.add("m", normal(mean, 100, seed=7))
    assert watch.measure()["m"][1] < 0.3


def test_what_is_no_number_does_not_count() -> None:
    watch = DriftWatch(100)
    watch.add("m", np.float32([np.nan, np.inf] * 200))
    watch.add("m", np.concatenate([normal(0, 200), np.float32([-np.inf])]))
    assert np.isfinite(watch.measure()["m"]).all()


def test_a_file_keeps_the_reference_over_starts(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    first = DriftWatch(100, file)
    first.add("m", normal(0, 100))
    assert read_reference(file)["m"] == pytest.approx(normal(0, 100), abs=1e-4)
    second = DriftWatch(100, file)
    second.add("m", normal(80, 100))
    assert second.measure()["m"][1] == 1.0
    second.add("n", normal(0, 100))
    assert list(json.loads(file.read_text())) == ["m"]
    first.add("n", normal(0, 100))
    assert list(json.loads(file.read_text())) == ["m", "n"]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    watch = DriftWatch(100, tmp_path / "no such folder" / "scores.json")
    watch.add("m", normal(0, 250))
    assert set(watch.measure()) == {"m"}


@pytest.mark.parametrize("text", ["", "[]", '{"m": "high"}', '{"m": []}', '{"m": [1, null]}', "\x00"])
def test_broken_files_are_errors(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"scores\.json"):
        DriftWatch(100, file)


def test_from_several_threads() -> None:
    watch = DriftWatch(1000)
    threads = [threading.Thread(target=watch.add, args=("m", normal(0, 500, seed=n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(watch.measure()) == {"m"}

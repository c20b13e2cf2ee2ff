import pytest

from benchmarks.soak import slope


def test_the_slope_of_memory_is_in_mb_an_hour() -> None:
    assert slope([(float(second), 100 + second / 3600) for second in range(0, 600, 2)]) == pytest.approx(1.0)
    assert slope([(float(second), 100.0) for second in range(100)]) == pytest.approx(0.0, abs=1e-6)


def test_too_little_is_no_slope() -> None:
    assert slope([]) is None
    assert slope([(float(second), 1.0) for second in range(50)]) is None

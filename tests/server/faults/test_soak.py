"""A short soak: `pytest -m soak tests/server/faults`. The long one is `python -m benchmarks.soak --minutes 30`."""

import pytest

from benchmarks import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


def test_two_minutes(capsys) -> None:
    code = soak.main(
        ["--minutes", "2", "--fault-seconds", "8", "--connections", "5000", "--allowed-mb-per-hour", "4000"]
    )
    assert code == 0, capsys.readouterr().out

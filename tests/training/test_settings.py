"""Settings that nobody can train with are refused by name."""

from dataclasses import replace

import pytest

from resift.errors import InputError
from resift.training import Settings


def test_defaults_are_usable() -> None:
    Settings().check()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"group_size": 1}, "group_size is 1, expected a whole number of at least 2"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1e-5}, "learning_rate is -1e-05"),
        ({"warmup": 1.5}, "warmup is 1.5, expected a number from 0 to 1"),
        ({"held_out": 0.95}, "held_out"),
        ({"patience": 0}, "patience"),
        ({"leaks": "ignore"}, "leaks is 'ignore', expected one of refuse, drop, keep"),
        ({"precision": "int8"}, "precision"),
        ({"device": "tpu"}, "device"),
        ({"lora": 0}, "lora"),
    ],
)
def test_others_are_not(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        replace(Settings(), **change).check()


def test_the_learning_rate_follows_the_size() -> None:
    rates = [Settings().rate_for(hidden) for hidden in (128, 384, 1024)]
    assert rates == sorted(rates, reverse=True)
    assert Settings(learning_rate=0.5).rate_for(128) == 0.5
    assert Settings(lora=8).rate_for(1024) > rates[-1]

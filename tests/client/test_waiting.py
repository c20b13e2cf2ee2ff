"""How long a call waits and how often it tries: the programs of `calls.py` with a clock of the test."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from resift.client.calls import Calls, Send, Wait
from resift.client.options import Options
from resift.client.replies import Reply
from resift.errors import Overloaded, ServerError, Unavailable


class Clock:
    """Time passes when a program waits, or as much as a send is told to take."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drive(calls: Calls, clock: Clock, answers: list[Any], took: float = 0.0) -> tuple[Any, list[float]]:
    """Run `models`, the simplest call, on prepared answers; return what came out and the waits."""
    waits: list[float] = []
    program = calls.models()
    step = next(program)
    try:
        while True:
            if isinstance(step, Wait):
                waits.append(step.seconds)
                clock.now += step.seconds
                step = program.send(None)
                continue
            assert isinstance(step, Send)
            clock.now += took
            answer = answers.pop(0)
            step = program.throw(answer) if isinstance(answer, Exception) else program.send(answer)
    except StopIteration as end:
        return end.value, waits
    except ServerError as error:
        return error, waits


FINE = Reply(200, {}, b'{"data": []}')


def test_pauses_grow_and_end() -> None:
    clock = Clock()
    calls = Calls(Options(), None, 7, clock=clock, jitter=lambda: 1.0)
    busy = [Reply(status, {}, b"") for status in (429, 503, 429, 503, 429, 503, 429)]
    assert drive(calls, clock, [*busy, FINE]) == ([], [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0])
    error, waits = drive(calls, clock, [*busy, Reply(503, {}, b"")])
    assert type(error) is Unavailable
    assert len(waits) == 7


def test_jitter_spreads_the_pauses() -> None:
    clock = Clock()
    calls = Calls(Options(), None, 1, clock=clock, jitter=lambda: 0.0)
    assert drive(calls, clock, [Unavailable("no connection"), FINE]) == ([], [0.125])


@pytest.mark.parametrize("value", ["3", "3.0"])
def test_retry_after_is_the_least_pause(value: str) -> None:
    clock = Clock()
    calls = Calls(Options(), None, 1, clock=clock, jitter=lambda: 1.0)
    _, (pause,) = drive(calls, clock, [Reply(429, {"retry-after": value}, b""), FINE])
    assert 3.0 < pause < 4.0


def test_retry_after_may_be_a_date() -> None:
    clock = Clock()
    calls = Calls(Options(), None, 1, clock=clock, jitter=lambda: 1.0)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    _, (pause,) = drive(calls, clock, [Reply(503, {"retry-after": soon}, b""), FINE])
    assert 900 < pause < 1001
    _, (pause,) = drive(calls, clock, [Reply(503, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, b""), FINE])
    assert pause < 1
    _, (pause,) = drive(calls, clock, [Reply(503, {"retry-after": "soon"}, b""), FINE])
    assert pause == 0.25


def test_the_timeout_is_of_all_tries() -> None:
    clock = Clock()
    calls = Calls(Options(), 10.0, 100, clock=clock, jitter=lambda: 1.0)
    error, waits = drive(calls, clock, [Reply(429, {}, b"")] * 100, took=1.0)
    assert type(error) is Overloaded
    assert clock.now - 100.0 <= 10.0
    assert len(waits) == 4


def test_a_pause_beyond_the_timeout_is_not_waited_for() -> None:
    clock = Clock()
    calls = Calls(Options(), 10.0, 5, clock=clock, jitter=lambda: 1.0)
    error, waits = drive(calls, clock, [Reply(429, {"retry-after": "60"}, b"")])
    assert type(error) is Overloaded
    assert error.retry_after == 60
    assert waits == []


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 422, 424, 500, 502, 504])
def test_nothing_else_is_tried_again(status: int) -> None:
    clock = Clock()
    calls = Calls(Options(), None, 5, clock=clock)
    error, waits = drive(calls, clock, [Reply(status, {}, b'{"message": "no"}')])
    assert isinstance(error, ServerError)
    assert waits == []


def test_a_broken_connection_is_not_tried_again() -> None:
    clock = Clock()
    error, waits = drive(Calls(Options(), None, 5, clock=clock), clock, [ServerError("broke")])
    assert (type(error), waits) == (ServerError, [])

"""Turns of the tokenizer threads, calls to the loop, and what is let in."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from resift.server.admission import Admission, Rate, expected_tokens
from resift.server.errors import Overloaded, TooLarge
from resift.server.mailbox import Mailbox
from resift.server.settings import Limits
from resift.server.tokenising import Tokenisers


class Steps:
    """Work of some steps, each of the same cost, that writes down when it had its turn."""

    def __init__(self, name: str, steps: int, cost: int, turns: list[str], done: threading.Semaphore) -> None:
        self.name, self.steps, self.cost, self.turns, self.done = name, steps, cost, turns, done

    def step(self) -> int | None:
        self.turns.append(self.name)
        self.steps -= 1
        if self.steps:
            return self.cost
        self.done.release()
        return None


class Gate:
    """Holds the only thread until everything is queued."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()

    def step(self) -> int | None:
        self.entered.set()
        assert self.open.wait(60)
        return None


@pytest.fixture
def one_thread() -> Iterator[tuple[Tokenisers, Gate]]:
    with Tokenisers(1) as tokenisers:
        gate = Gate()
        tokenisers.submit(gate, priority=0)
        assert gate.entered.wait(60)
        yield tokenisers, gate
        gate.open.set()


def turns_of(one_thread: tuple[Tokenisers, Gate], *works: tuple[str, int, int, int]) -> list[str]:
    """Return who had each turn: works are (name, steps, cost of a step, priority), in the order in which they came."""
    tokenisers, gate = one_thread
    turns: list[str] = []
    done = threading.Semaphore(0)
    for name, steps, cost, priority in works:
        tokenisers.submit(Steps(name, steps, cost, turns, done), priority=priority)
    gate.open.set()
    for _ in works:
        assert done.acquire(timeout=60)
    return turns


def test_short_requests_pass_between_the_chunks_of_long_ones(one_thread: tuple[Tokenisers, Gate]) -> None:
    turns = turns_of(one_thread, ("long", 5, 1000, 1), ("a", 1, 10, 1), ("b", 1, 10, 1), ("c", 2, 10, 1))
    assert turns == ["long", "a", "b", "c", "c", "long", "long", "long", "long"]


def test_long_ones_take_turns(one_thread: tuple[Tokenisers, Gate]) -> None:
    assert turns_of(one_thread, ("a", 3, 100, 1), ("b", 3, 100, 1)) == ["a", "b", "a", "b", "a", "b"]


def test_who_costs_more_has_fewer_turns(one_thread: tuple[Tokenisers, Gate]) -> None:
    assert turns_of(one_thread, ("a", 3, 200, 1), ("b", 4, 100, 1)) == ["a", "b", "b", "a", "b", "b", "a"]


def test_priorities(one_thread: tuple[Tokenisers, Gate]) -> None:
    turns = turns_of(one_thread, ("low", 2, 1, 2), ("normal", 2, 9, 1), ("high", 2, 99, 0))
    assert turns == ["high", "high", "normal", "normal", "low", "low"]


def test_what_waits_at_the_end_is_dropped(one_thread: tuple[Tokenisers, Gate]) -> None:
    tokenisers, gate = one_thread
    turns: list[str] = []
    tokenisers.submit(Steps("late", 1, 1, turns, threading.Semaphore(0)), priority=1)
    closing = threading.Thread(target=tokenisers.close)
    closing.start()
    while tokenisers.waiting:  # until the close has begun
        pass
    gate.open.set()
    closing.join(60)
    tokenisers.submit(Steps("later", 1, 1, turns, threading.Semaphore(0)), priority=1)
    assert not turns and not tokenisers.waiting


def test_calls_arrive_in_order_on_the_loops_thread() -> None:
    async def arrive() -> None:
        mailbox = Mailbox(asyncio.get_running_loop())
        came: list[tuple[int, int]] = []
        done = asyncio.Event()

        def call(i: int) -> None:
            came.append((i, threading.get_ident()))
            if i == 999:
                done.set()

        poster = threading.Thread(target=lambda: [mailbox.post(call, i) for i in range(1000)])
        poster.start()
        async with asyncio.timeout(60):
            await done.wait()
        poster.join()
        assert came == [(i, threading.get_ident()) for i in range(1000)]

    asyncio.run(arrive())


def test_a_call_that_fails_loses_no_others() -> None:
    async def arrive() -> None:
        loop = asyncio.get_running_loop()
        errors: list[object] = []
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        mailbox, done = Mailbox(loop), asyncio.Event()
        error = ValueError("a defect")

        def fails() -> None:
            raise error

        mailbox.post(fails)
        mailbox.post(done.set)
        async with asyncio.timeout(60):
            await done.wait()
        assert errors == [error]

    asyncio.run(arrive())


def test_a_loop_that_is_gone() -> None:
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)
    loop.close()
    mailbox.post(lambda: pytest.fail("nobody runs it"))


def test_what_is_let_in_leaves_again() -> None:
    told: list[int] = []
    admission = Admission(Limits(max_queue_tokens=100, max_requests=3), Rate(), on_change=told.append)
    one, two = admission.enter(60), admission.enter(40)
    with pytest.raises(Overloaded, match="100 tokens wait and this request has about 1, at most 100"):
        admission.enter(1)
    with pytest.raises(TooLarge, match="about 101 tokens, at most 100"):
        admission.enter(101)
    two.change(-30)
    three = admission.enter(30)
    three.change(-30)
    with pytest.raises(Overloaded, match="3 requests"):
        admission.enter(1)
    for ticket in (one, two, three, one):
        ticket.leave()
        ticket.change(50)
    assert (admission.tokens, admission.requests) == (0, 0)
    assert told == [60, 100, 70, 100, 70, 10, 0, 0]


def test_when_to_come_back() -> None:
    rate = Rate()
    assert rate.seconds(10**9) == 1.0
    rate.add(1000, 1.0)
    assert rate.seconds(5000) == 5.0
    assert (rate.seconds(1), rate.seconds(10**9)) == (1.0, 60.0)
    rate.add(0, 0.0)
    for _ in range(50):
        rate.add(4000, 2.0)
    assert abs(rate.seconds(20_000) - 10.0) < 0.1


@pytest.mark.parametrize(("text", "tokens"), [("", 1), ("a" * 300, 101), ("é" * 300, 101), ("字" * 300, 201)])
def test_expected_tokens(text: str, tokens: int) -> None:
    assert expected_tokens(text) == tokens

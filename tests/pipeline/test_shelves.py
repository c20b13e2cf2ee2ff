"""What is seen of stores that have not come equally far."""

import pytest

from resift.errors import EngineClosed
from resift.pipeline.shelves import Shelf, Shelves
from tests.pipeline.fakes import WordStore


def two(*, writable: bool) -> tuple[Shelves, WordStore, WordStore]:
    first, second = WordStore(), WordStore()
    shelves = [Shelf("first", first, 7), Shelf("second", second, 5, failure="it is down", given=True)]
    return Shelves(shelves, writable=writable), first, second


def test_a_writer_leaves_out_what_failed() -> None:
    shelves, first, _ = two(writable=True)
    with shelves.looking() as view:
        assert (view.at, view.stores, view.failures) == (7, {"first": first}, {"second": "it is down"})


def test_a_reader_sees_what_all_have() -> None:
    shelves, first, second = two(writable=False)
    with shelves.looking() as view:
        assert (view.at, view.stores, view.failures) == (5, {"first": first, "second": second}, {})


def test_others_take_their_place() -> None:
    shelves, first, second = two(writable=False)
    assert shelves.replace([Shelf("third", WordStore(), 9)])
    assert shelves.at == 9
    assert [shelf.name for shelf in shelves] == ["third"]
    assert (first.calls, second.calls) == (["close"], [])


def test_those_that_have_no_more_are_closed_instead() -> None:
    shelves, first, _ = two(writable=False)
    late = WordStore()
    assert not shelves.replace([Shelf("first", late, 5), Shelf("second", WordStore(), 9)])
    assert (late.calls, first.calls, shelves.at) == (["close"], [], 5)
    shelves.close()
    last = WordStore()
    assert not shelves.replace([Shelf("first", last, 99)])
    assert last.calls == ["close"]


def test_closed_once() -> None:
    shelves, first, second = two(writable=True)
    shelves.close()
    shelves.close()
    assert (first.calls, second.calls) == (["close"], [])
    with pytest.raises(EngineClosed), shelves.looking():
        pass

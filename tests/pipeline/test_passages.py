"""The truth: what is seen at each change."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from resift.documents import Passage
from resift.pipeline.database import FILE, Database
from resift.pipeline.passages import Entry, Truth


@pytest.fixture
def truth(tmp_path: Path) -> Iterator[Truth]:
    with Database(tmp_path / FILE, writable=True, create=True) as database:
        yield Truth(database)


def entry(name: str, *texts: str, fields: str = "{}", digest: str = "d") -> Entry:
    passages = [Passage(name, place, text, ("A", "B"), "Title", 3) for place, text in enumerate(texts)]
    return Entry(name, "Title", fields, "source", digest, passages)


def everything(truth: Truth, at: int) -> dict[int, str]:
    return {number: row.passage.text for number, row in truth.rows(range(20), at=at).items()}


def test_changes_are_numbered(truth: Truth) -> None:
    assert truth.sequence == 0
    assert truth.commit([entry("a", "one")]) == 1
    assert truth.commit([], ["a"]) == 2
    assert truth.sequence == 2


def test_each_change_has_its_view(truth: Truth) -> None:
    truth.commit([entry("a", "one", "two"), entry("b", "three")])
    truth.commit([entry("a", "four")])
    truth.commit([], ["b", "nobody"])
    assert everything(truth, 0) == {}
    assert everything(truth, 1) == {1: "one", 2: "two", 3: "three"}
    assert everything(truth, 2) == {3: "three", 4: "four"}
    assert everything(truth, 3) == {4: "four"}
    assert [truth.sizes(at=at) for at in range(4)] == [(0, 0), (2, 3), (2, 2), (1, 1)]
    assert [truth.count(at=at) for at in range(4)] == [0, 2, 2, 1]
    assert [truth.allowed({}, at=at).tolist() for at in range(4)] == [[], [1, 2, 3], [3, 4], [4]]
    document = truth.document("a", at=1)
    assert document is not None
    assert [one.text for one in document.passages] == ["one", "two"]
    assert truth.document("a", at=0) is None
    assert truth.document("b", at=3) is None


def test_a_passage_comes_back_as_it_was(truth: Truth) -> None:
    truth.commit([entry("a", "one", "two", fields='{"价": 3}')])
    row = truth.rows([2], at=1)[2]
    assert row.passage == Passage("a", 1, "two", ("A", "B"), "Title", 3)
    assert (row.fields, row.source) == ('{"价": 3}', "source")
    assert [one.place for one in truth.neighbours(row.document, 0, 5)] == [0, 1]


def test_what_a_store_has_to_catch_up_with(truth: Truth) -> None:
    truth.commit([entry("a", "one", "two"), entry("b", "three")])
    truth.commit([entry("a", "four")])
    truth.commit([entry("c", "five")], ["b"])

    def arrived(after: int, *, beyond: int = 0, most: int = 10) -> list[tuple[int, str]]:
        return [(number, one.text) for number, one in truth.arrived(after, beyond=beyond, most=most)]

    assert arrived(0) == [(4, "four"), (5, "five")]
    assert arrived(0, most=1) == [(4, "four")]
    assert arrived(0, beyond=4, most=1) == [(5, "five")]
    assert arrived(2) == [(5, "five")]
    assert arrived(3) == []
    assert truth.departed(0).tolist() == [1, 2, 3]
    assert truth.departed(2).tolist() == [3]
    assert truth.departed(3).tolist() == []
    assert truth.departed(3).dtype == np.int64


def test_documents_without_passages(truth: Truth) -> None:
    truth.commit([entry("empty")])
    truth.commit([entry("also empty")])
    truth.commit([entry("a", "one")])
    assert [number for number, _ in truth.arrived(0, beyond=0, most=10)] == [1]
    assert [number for number, _ in truth.arrived(1, beyond=0, most=10)] == [1]
    assert truth.sizes(at=3) == (3, 1)


def test_ids_are_never_used_again(truth: Truth) -> None:
    truth.commit([entry("a", "one", "two")])
    truth.commit([], ["a"])
    assert truth.waste() == 2
    assert truth.purge(1) == 0
    assert truth.purge(2) == 2
    truth.shrink()
    assert truth.waste() == 0
    truth.commit([entry("b", "three")])
    assert everything(truth, 3) == {3: "three"}


def test_known_and_ids(truth: Truth) -> None:
    truth.commit([entry(f"n{i:04}", "x", digest=str(i), fields=f'{{"i": {i}}}') for i in range(1500)])
    truth.commit([entry("n0001", "y", digest="new")], ["n0000"])
    known = truth.known(["n0000", "n0001", "n0002", "nobody"])
    assert {name: (one.digest, one.added) for name, one in known.items()} == {"n0001": ("new", 2), "n0002": ("2", 1)}
    assert [name for some in truth.ids() for name in some] == [f"n{i:04}" for i in range(1, 1500)]
    assert [name for some in truth.ids({"i": {"lt": 4}}) for name in some] == ["n0002", "n0003"]


def test_a_failed_commit_leaves_nothing(truth: Truth) -> None:
    truth.commit([entry("a", "one")])
    twice = Passage("b", 0, "x")
    with pytest.raises(Exception, match="UNIQUE"):
        truth.commit([entry("a", "two"), Entry("b", None, "{}", "", "d", [twice, twice])])
    assert truth.sequence == 1
    assert everything(truth, 1) == {1: "one"}

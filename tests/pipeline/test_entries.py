"""What users add, as it is written."""

import json

import pytest

from resift.documents import Block, Chunking, Columns, Document
from resift.errors import InputError
from resift.pipeline import entries
from resift.pipeline.entries import Addable, batches, entry


def only(given: Addable, columns: Columns | None = None) -> Document:
    [[document]] = batches([given], columns if columns is not None else Columns())
    return document


def test_a_text_is_its_own_id() -> None:
    assert only("green tea").id == only("green tea").id != only("black tea").id


def test_a_row() -> None:
    document = only({"id": 7, "title": "壶", "text": "t", "price": 3})
    assert (document.id, document.title, dict(document.fields)) == ("7", "壶", {"price": 3})
    assert only({"sku": "k", "text": "t"}, Columns(id="sku")).id == "k"


def test_a_document_made_by_hand_gets_a_digest() -> None:
    def digest(text: str, **fields: object) -> str:
        return only(Document("a", "T", [Block(text)], fields)).digest

    assert digest("x", a=1) == digest("x", a=1)
    assert len({digest("x", a=1), digest("x", a=2), digest("y", a=1)}) == 3
    assert only(Document("a", None, [], digest="given")).digest == "given"


def test_what_no_database_takes_is_replaced() -> None:
    made = only(Document("a\ud800", "T\0", [Block("x\ud800y", ("h\0",))], {"f": "\ud800"}, "s\ud800"))
    written = entry(made, Chunking())
    assert (written.id, written.title, written.source) == ("a�", "T ", "s�")
    assert json.loads(written.fields) == {"f": "�"}
    assert (written.passages[0].text, written.passages[0].headings) == ("x�y", ("h ",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "documents is one str"),
        ({"id": 1}, "documents is one dict"),
        (Document("a", None, []), "documents is one Document"),
        (3, "documents is one int"),
        ([3], "a document is 3"),
        ([Document("", None, [])], "document 0 has an empty id"),
        ([Document("a", None, [Block("x")], {"f": object()})], "'a' are not JSON"),
        ([Document("a", None, [Block("x")], {"f": float("nan")})], "'a' are not JSON"),
    ],
)
def test_what_it_refuses(given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        [entry(document, Chunking()) for batch in batches(given, Columns()) for document in batch]  # type: ignore[arg-type]


def test_batches_are_bounded_and_read_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_MOST_DOCUMENTS", 3)
    monkeypatch.setattr(entries, "_MOST_CHARACTERS", 10)
    read: list[str] = []

    def texts() -> "list[str]":
        for text in ["a", "b", "c", "d" * 20, "e", "f"]:
            read.append(text)
            yield text  # type: ignore[misc]

    found = batches(texts(), Columns())
    assert len(next(found)) == 3
    assert read == ["a", "b", "c"]
    assert [len(batch) for batch in found] == [1, 2]
    assert list(batches([], Columns())) == []

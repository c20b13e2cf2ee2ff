"""Rows with fields become documents."""

import math

import pytest

from resift.documents import Columns, Document, as_document, split
from resift.errors import InputError, TemplateError
from resift.text.template import Template


def text(document: Document) -> str:
    return "\n".join(block.text for block in document.blocks)


@pytest.mark.parametrize(
    ("row", "id", "title", "content", "fields"),
    [
        ({"_id": "a", "title": "T", "text": "x", "metadata": {"url": "u"}}, "a", "T", "x", {"metadata": {"url": "u"}}),
        ({"docid": "5#0", "title": "标题", "text": "内容"}, "5#0", "标题", "内容", {}),
        ({"ID": 7, "Name": "Kettle", "Body": "Boils.", "Price": 3.5}, "7", "Kettle", "Boils.", {"Price": 3.5}),
        ({"id": 3.0, "contents": ["one", "two"]}, "3", None, "one\n\ntwo", {}),
        (
            {"id": "p", "name": "Mug", "brand": "Acme", "tags": ["a", "b"]},
            "p",
            "Mug",
            "brand: Acme\ntags: a, b",
            {"brand": "Acme", "tags": ["a", "b"]},
        ),
        ({"id": "e", "title": " ", "text": None}, "e", None, "", {}),
    ],
)
def test_usual_names(row: dict, id: str, title: str | None, content: str, fields: dict) -> None:
    document = as_document(row)
    assert (document.id, document.title, text(document), document.fields) == (id, title, content, fields)


def test_named_columns() -> None:
    row = {"id": "no", "sku": "S1", "headline": "H", "text": "no", "story": "yes"}
    document = as_document(row, columns=Columns(id="sku", title="headline", text="story"))
    assert (document.id, document.title, text(document)) == ("S1", "H", "yes")
    assert document.fields == {"id": "no", "text": "no"}


def test_a_template_makes_the_text_and_all_fields_stay() -> None:
    columns = Columns(template=Template("Name: {name}\nPrice: {price:.2f}"))
    document = as_document({"id": 1, "name": "Mug", "price": 5, "stock": 2}, columns=columns)
    assert text(document) == "Name: Mug\nPrice: 5.00"
    assert document.fields == {"name": "Mug", "price": 5, "stock": 2}
    assert split(document)[0].full_text == "Name: Mug\nPrice: 5.00"


def test_texts_are_documents() -> None:
    assert as_document("Hello", id="h").id == "h"
    assert as_document("Hello").id == as_document("Hello").digest != as_document("Hello!").id


def test_a_document_is_itself() -> None:
    document = as_document("Hello")
    assert as_document(document) is document


def test_the_digest_is_that_of_the_content() -> None:
    row = {"id": "a", "title": "T", "text": "x", "n": 1}
    digest = as_document(row).digest
    assert as_document({**row, "id": "b"}).digest == as_document(dict(reversed(row.items()))).digest == digest
    others = [{**row, "title": "U"}, {**row, "text": "y"}, {**row, "n": 2}]
    assert len({digest, *(as_document(other).digest for other in others)}) == 4


def test_what_json_and_stores_cannot_hold() -> None:
    row = {"text": "a\0b\ud800", "nan": math.nan, "inf": -math.inf, "pair": (1, "\udfff"), "deep": {"x": [None, True]}}
    document = as_document(row)
    assert text(document) == "a b\ufffd"
    assert document.fields == {"nan": None, "inf": None, "pair": [1, "\ufffd"], "deep": {"x": [None, True]}}


def test_a_very_long_title_is_text() -> None:
    document = as_document({"title": "word " * 100, "text": "x"})
    assert len(document.title or "") <= 300
    assert text(document).split() == [*(["word"] * 100), "x"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (7, "a document is 7"),
        ({"id": True, "text": "x"}, "the id in 'id' is True"),
        ({"id": 1.5, "text": "x"}, "the id in 'id' is 1.5"),
        ({"text": {"a": 1}}, "the field 'text' is {'a': 1}"),
        ({"text": "x", "when": {1, 2}}, "the field 'when' is {1, 2}, which JSON has not"),
    ],
)
def test_what_is_no_document(row: object, message: str) -> None:
    with pytest.raises(InputError, match="shop:3: ") as raised:
        as_document(row, source="shop:3")  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_a_field_that_nests_forever() -> None:
    field: list = []
    field.append(field)
    with pytest.raises(InputError, match="nested"):
        as_document({"text": "x", "loop": field})


def test_columns_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no field 'body' for its text; it has \\['id', 'text'\\]"):
        as_document({"id": 1, "text": "x"}, columns=Columns(text="body"))
    with pytest.raises(TemplateError, match="none of the template's fields"):
        as_document({"id": 1}, columns=Columns(template=Template("{name}")))
    with pytest.raises(InputError, match="expected one of them"):
        Columns(text="body", template=Template("{name}"))


def test_names_of_fields_and_numbers_that_cannot_be_written() -> None:
    assert as_document({"text": "tea", "a\ud800": 1, "b\0": {"c\ud800": 2}}).fields == {
        "a\ufffd": 1,
        "b ": {"c\ufffd": 2},
    }
    with pytest.raises(InputError, match="bits"):
        as_document({"text": "tea", "n": 10**5000})

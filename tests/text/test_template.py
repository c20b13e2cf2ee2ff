import pytest

from resift.errors import TemplateError
from resift.text.template import Template, document_text, scrub

PRODUCT = Template("Title: {title_en}\nDescription: {desc_en}\nPrice: {price}")


def test_fills_fields() -> None:
    document = {"title_en": "Kettle", "desc_en": "Boils water", "price": 19.5}
    assert PRODUCT.render(document) == "Title: Kettle\nDescription: Boils water\nPrice: 19.5"


@pytest.mark.parametrize("absent", [{}, {"desc_en": None}, {"desc_en": ""}, {"desc_en": []}])
def test_a_line_without_its_field_is_left_out(absent: dict[str, object]) -> None:
    assert PRODUCT.render({"title_en": "Kettle", "price": 3, **absent}) == "Title: Kettle\nPrice: 3"


def test_zero_and_false_are_values() -> None:
    assert Template("{price} {stock}").render({"price": 0, "stock": False}) == "0 False"


def test_half_a_line_stays() -> None:
    assert Template("{brand}: {name}").render({"name": "Kettle"}) == ": Kettle"


def test_nested_lists_and_formats() -> None:
    template = Template("{brand.name} {price:.2f} {tags}")
    assert template.render({"brand": {"name": "Ada"}, "price": 2, "tags": ["a", 1, None]}) == "Ada 2.00 a, 1"


@pytest.mark.parametrize("source", ["no field", "{}", "{a!r}", "{a[0]}", "{a..b}", "{a", "a}", "{a:{b}}"])
def test_malformed_templates(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source)


def test_attributes_of_values_are_out_of_reach() -> None:
    assert Template("{a.__class__} {b}").render({"a": "x", "b": "y"}) == " y"


def test_a_document_with_none_of_the_fields_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match=r"name.*title_en"):
        PRODUCT.render({"name": "Kettle"})


def test_a_format_that_does_not_fit_names_field_and_value() -> None:
    with pytest.raises(TemplateError, match=r"price.*cheap"):
        Template("{price:.2f}").render({"price": "cheap"})


def test_a_mapping_as_a_value() -> None:
    with pytest.raises(TemplateError, match="brand"):
        Template("{brand}").render({"brand": {"name": "Ada"}})


def test_documents_without_a_template() -> None:
    assert document_text("as it is", PRODUCT) == "as it is"
    assert document_text({"title": "T", "text": "body", "id": 7}, None) == "T\nbody"
    assert document_text({"text": "body"}, None) == "body"
    assert document_text({"name": "Kettle", "price": 3, "note": None}, None) == "name: Kettle\nprice: 3"
    assert document_text({}, None) == ""


def test_lone_surrogates() -> None:
    assert scrub("a\ud800b") == "a\ufffdb"
    assert scrub("正常 🙂") == "正常 🙂"
    document_text("x\udfff", None).encode("utf-8")


@pytest.mark.parametrize(
    ("source", "value"),
    [("{a}" * 9, "x" * 20), ("{a:>99}" * 2, "x"), ("{a:9}", list(range(20))), ("x" * 120 + "{a}", "b")],
)
def test_a_text_that_would_be_too_long_is_not_made(source: str, value: object) -> None:
    template = Template(source)
    assert len(document_text({"a": value}, template)) > 100
    with pytest.raises(TemplateError, match="more than 100 characters"):
        document_text({"a": value}, template, most=100)


def test_a_text_that_just_fits() -> None:
    assert document_text({"a": "x" * 100}, Template("{a}"), most=100) == "x" * 100


def test_messages_hold_no_whole_documents() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("{a:.2f}").render({"a": "x" * 10_000})
    assert len(str(caught.value)) < 500
    with pytest.raises(TemplateError) as caught:
        Template("{a}").render({"x" * 10_000: 1})
    assert len(str(caught.value)) < 500

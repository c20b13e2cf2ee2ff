import pytest

from resift.errors import InputError, TemplateError
from resift.integrations.wording import wording


def test_content_alone() -> None:
    assert wording("content", None, None).text("A text.", {"title": "T"}) == "A text."
    assert wording("content", (), None).text(None, {}) == ""


def test_fields_stand_before_the_content_in_their_order() -> None:
    words = wording("content", ["title", "tags"], None, " | ")
    assert words.text("A text.", {"tags": ["a", 1], "title": "T", "other": "x"}) == "T | a, 1 | A text."


def test_false_and_zero_are_values_and_none_is_not() -> None:
    words = wording("content", ["a", "b", "c", "d", "e"], None)
    assert words.text("text", {"a": False, "b": 0, "c": 0.0, "d": None, "e": ""}) == "False\n0\n0.0\ntext"


def test_names_of_fields_are_not_patterns() -> None:
    assert wording("content", ["dc.title", "a b"], None).text("x", {"dc.title": "T", "a b": "U"}) == "T\nU\nx"


def test_a_template_names_metadata_and_content() -> None:
    words = wording("page_content", None, "{title} ({year:d})\n{page_content}")
    assert words.text("A text.", {"title": "T", "year": 1932}) == "T (1932)\nA text."


def test_metadata_cannot_stand_in_for_the_content() -> None:
    assert wording("text", None, "{text}").text("the content", {"text": "metadata"}) == "the content"


def test_a_template_without_any_of_its_fields_is_an_error() -> None:
    with pytest.raises(TemplateError, match="none of the template's fields"):
        wording("content", None, "{title}").text("A text.", {"name": "x"})


def test_fields_and_a_template_do_not_go_together() -> None:
    with pytest.raises(InputError, match="name the fields in the template"):
        wording("content", ["title"], "{title}")


def test_one_text_is_no_list_of_fields() -> None:
    with pytest.raises(InputError, match=r"write \['title'\]"):
        wording("content", "title", None)

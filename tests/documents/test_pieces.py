"""Between which pieces a passage may end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents.pieces import INSIDE, LINE, PARAGRAPH, SENTENCE, cut
from resift.documents.records import Block


def pieces(text: str, kind: str = "text", limit: int = 1000) -> list[tuple[str, int]]:
    return [
        (text[piece.start : piece.end].strip("\n "), piece.level) for piece in cut(Block(text, kind=kind), limit=limit)
    ]


def test_prose() -> None:
    assert pieces("One. Two.\n- item\n\nThree.") == [
        ("One.", PARAGRAPH),
        ("Two.", SENTENCE),
        ("- item", LINE),
        ("Three.", PARAGRAPH),
    ]


def test_code_and_tables() -> None:
    assert pieces("a\nb\n\nc", "code") == [("a", PARAGRAPH), ("b", SENTENCE), ("", SENTENCE), ("c", LINE)]
    assert pieces("a | b\n1 | 2", "table") == [("a | b", PARAGRAPH), ("1 | 2", SENTENCE)]


def test_a_long_address_is_not_cut() -> None:
    address = "https://example.org/" + "a/b-c?d=e&" * 60
    assert [text for text, _ in pieces(f"See {address} for more.")] == [f"See {address} for more."]


def test_chinese_without_stops_is_cut_between_characters() -> None:
    found = pieces("中" * 300)
    assert len(found) > 1
    assert {level for _, level in found[1:]} == {INSIDE}


def test_what_is_too_heavy_is_cut_at_words() -> None:
    assert [text for text, _ in pieces("aaa bbb ccc ddd", "code", limit=8)] == ["aaa bbb", "ccc ddd"]


@given(st.text(max_size=300), st.sampled_from(["text", "table", "code"]), st.integers(20, 100))
def test_pieces_are_the_whole_text(text: str, kind: str, limit: int) -> None:
    found = cut(Block(text, kind=kind), limit=limit)
    assert "".join(text[piece.start : piece.end] for piece in found) == text
    assert all(0 < piece.weight <= limit for piece in found)


@pytest.mark.parametrize("kind", ["text", "code"])
def test_nothing_has_no_pieces(kind: str) -> None:
    assert pieces("", kind) == []

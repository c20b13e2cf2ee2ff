"""What of a passage is shown and marked."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.cli.highlights import excerpt, matches


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in matches(text, query)]


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("Opening hours", "The OPENING hours of the shop", ["OPENING", "hours"]),
        ("Haus", "Das Krankenhaus und die Häuser", ["Krankenhaus", "Häuser"]),
        ("heating", "A heated room, heat", ["heat"]),
        ("Bäume pflanzen", "Ein Baum wird gepflanzt: baume", ["Baum", "baume"]),
        ("السعر", "سِعر الشاي ثلاثة", ["سِعر"]),
        ("茶叶价格", "这种茶叶的价格很低", ["茶叶", "价格"]),
        ("茶", "绿茶与红酒", ["茶"]),
        ("ราคาชา", "ราคาของชาเขียว", ["ราคา", "ชา"]),
        ("цена чая", "Цены на чай", []),
        ("чайник", "Чайники и ЧАЙНИК", ["Чайники", "ЧАЙНИК"]),
        ("a", "a cat", ["a"]),
        ("", "a cat", []),
        ("C++ 17", "c and c++ of 17", ["c", "c", "17"]),
    ],
)
def test_words(query: str, text: str, words: list[str]) -> None:
    assert marked(text, query) == words


@given(st.text(max_size=80), st.text(max_size=20), st.integers(1, 50))
def test_places_lie_in_the_text(text: str, query: str, limit: int) -> None:
    spans = matches(text, query)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(spans))
    start, end = excerpt(text, query, limit=limit)
    assert 0 <= start <= end <= len(text) and end - start <= max(limit, 0)
    assert end > start or not text


def test_the_sentences_with_the_query_are_shown() -> None:
    text = (
        "The bridge was built in spring. " * 20 + "Bring your library card to enter the archive. " + "Dogs wait. " * 20
    )
    start, end = excerpt(text, "how do I enter the archive", limit=60)
    assert text[start:end].startswith("Bring your library card to enter the archive.")
    assert excerpt("short", "archive", limit=60) == (0, 5)

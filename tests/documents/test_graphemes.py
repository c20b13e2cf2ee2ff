"""Characters that a reader sees are not torn: compared with the tables of Unicode where a library has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents.graphemes import cut_before, is_within

WHOLE = [
    "e\u0301",
    "👨‍👩‍👧",
    "👍🏽",
    "🇩🇪",
    "각",
    "ที่",
    "กำ",
    "क्ष",
    "नि",
    "\r\n",
    "🏴\U000e0067\U000e0062\U000e007f",
    "☀️",
    "ｶﾞ",
]


@pytest.mark.parametrize("character", WHOLE)
def test_one_character_to_a_reader(character: str) -> None:
    text = f"x{character}y"
    assert [place for place in range(1, len(text)) if not is_within(text, place, start=0)] == [1, 1 + len(character)]


def test_flags_are_pairs() -> None:
    text = "🇩🇪🇫🇷"
    assert [place for place in range(1, 4) if not is_within(text, place, start=0)] == [2]


def test_cut_before() -> None:
    assert cut_before("abc", 2, start=0) == 2
    assert cut_before("xe\u0301\u0301y", 3, start=0) == 1
    assert cut_before("e\u0301\u0301\u0301", 2, start=0) == 2  # there is no other place


@given(st.text(alphabet="aé\u0301\u200d🇩🇪👩👍🏽\ufe0f각ᄀ\u1161\u11a8กำे्क\r\n中ｶﾞ", max_size=30))
def test_no_cut_within_what_unicode_calls_one(text: str) -> None:
    regex = pytest.importorskip("regex", reason="needs the tables of the package regex")
    ends = {found.end() for found in regex.finditer(r"\X", text)}
    free = {place for place in range(1, len(text)) if not is_within(text, place, start=0)}
    assert free <= ends

"""What is indexed of a passage, and what sizes are possible."""

import pytest

from resift.documents import Chunking, Passage
from resift.errors import InputError


@pytest.mark.parametrize(
    ("title", "headings", "text", "expected"),
    [
        (None, (), "Text.", "Text."),
        ("Tea", (), "Text.", "Tea\nText."),
        ("Tea", ("Green", "Sencha"), "Text.", "Tea\nGreen > Sencha\nText."),
        ("Tea", ("Tea", "Green"), "Text.", "Tea > Green\nText."),
        ("tea", (), "Title: Tea\nprice: 3", "Title: Tea\nprice: 3"),
        ("Tea", (), "Steam engines\nTea", "Tea\nSteam engines\nTea"),
        ("C++ (2nd)", (), "C++ (2nd) edition", "C++ (2nd) edition"),
    ],
)
def test_full_text(title: str | None, headings: tuple[str, ...], text: str, expected: str) -> None:
    assert Passage("d", 0, text, headings, title).full_text == expected


@pytest.mark.parametrize(("size", "overlap"), [(49, 0), (100, 51), (100, -1), (True, 0), (100.0, 0)])
def test_impossible_sizes(size: int, overlap: int) -> None:
    with pytest.raises(InputError, match="of passages is"):
        Chunking(size=size, overlap=overlap)

"""Front matter becomes fields."""

import pytest

from resift.documents.frontmatter import take_front_matter


@pytest.mark.parametrize(
    ("text", "fields", "rest"),
    [
        ("---\na: 1\nb:\n  - x\n  - y\n---\nText.", {"a": 1, "b": ["x", "y"]}, "Text."),
        (
            "---\ndate: 2024-05-06\nat: 2024-05-06 07:08:09\n...\n",
            {"date": "2024-05-06", "at": "2024-05-06 07:08:09"},
            "",
        ),
        ("---\n---\nText.", {}, "Text."),
        ('+++\ntitle = "T"\ndraft = true\n+++\nText.', {"title": "T", "draft": True}, "Text."),
        ("---\ntitle: A: B\nurl: https://x\n---\nText.", {"title": "A: B", "url": "https://x"}, "Text."),
        ("---\na: &x [1]\nb: *x\n---\n", {"a": "&x [1]", "b": "*x"}, ""),
        ("---\nJust a text between rules\n---\nText.", {}, "---\nJust a text between rules\n---\nText."),
        ("---\nno end", {}, "---\nno end"),
        ("Text.\n---\na: 1\n---\n", {}, "Text.\n---\na: 1\n---\n"),
        ("---\n1: x\ndeep: {a: {b: !!set {c}}}\n---\n", {"1": "x", "deep": {"a": {"b": ["c"]}}}, ""),
        ("---\nday: 2024-02-31\n---\n", {"day": "2024-02-31"}, ""),
    ],
)
def test_front_matter(text: str, fields: dict, rest: str) -> None:
    assert take_front_matter(text) == (fields, rest)


@pytest.mark.parametrize(
    "text",
    [
        "---\n" * 20_000,
        "---\n" + "a: [" * 5000 + "\n---\n",
        "---\n" + "x\n" * 100_000,
        "+++\na = " + "[" * 5000 + "\n+++\n",
    ],
)
def test_what_means_harm(text: str) -> None:
    fields, rest = take_front_matter(text)
    assert len(str(fields)) + len(rest) <= len(text) + 100

"""Headings become paths."""

from resift.documents.outline import Outline, join_lines, table
from resift.documents.records import Block


def test_levels_may_be_skipped() -> None:
    outline = Outline()
    for level, heading in ((2, "A"), (4, "B"), (3, "C"), (1, "D"), (2, "E")):
        outline.heading(level, f" {heading}\n ")
        outline.text(heading.lower())
    assert [(block.headings, block.text) for block in outline.finish()[1]] == [
        (("A",), "a"),
        (("A", "B"), "b"),
        (("A", "C"), "c"),
        (("D",), "d"),
        (("D", "E"), "e"),
    ]


def test_headings_with_nothing_below() -> None:
    outline = Outline()
    for level, heading in ((1, "A"), (2, "B"), (2, "C"), (1, "D")):
        outline.heading(level, heading)
    assert [block.headings for block in outline.finish()[1]] == [("A", "B"), ("A", "C"), ("D",)]


def test_pages_and_kinds() -> None:
    outline = Outline()
    outline.page(1)
    outline.text("one\n")
    outline.text(" ")
    outline.text("two")
    outline.block("\n  code\n", "code")
    outline.page(2)
    outline.text("three")
    assert outline.finish() == (
        None,
        [Block("one\n\ntwo", (), 1), Block("  code", (), 1, "code"), Block("three", (), 2)],
    )


def test_a_given_title_is_not_repeated_and_a_long_one_is_a_text() -> None:
    outline = Outline()
    outline.heading(1, "Tea")
    outline.text("x")
    assert outline.finish(" TEA ") == ("Tea", [Block("x")])
    title, blocks = Outline().finish("word " * 100)
    assert len(title or "") <= 300
    assert blocks[0].text == ("word " * 100).strip()


def test_finishing_twice_is_the_same() -> None:
    outline = Outline()
    outline.heading(1, "A")
    outline.heading(1, "B")
    assert outline.finish() == outline.finish()


def test_lines_and_tables() -> None:
    assert join_lines("one\ntwo \n 三\n四\nไทย\nไทย") == "one two 三四ไทยไทย"
    assert table([["a ", "b\nc"], ["", " "], ["1", ""]]) == "a | b c\n1 | "

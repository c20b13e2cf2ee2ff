"""Lines of printed pages."""

from resift.documents.printed import paragraphs, without_running


def test_page_numbers_beside_chapters_go() -> None:
    pages = [
        [f"Chapter {1 + page // 3}: Tea {page + 11}" if page % 2 else str(page + 11), f"Line {'xyzuvw'[page]}"]
        for page in range(6)
    ]
    assert without_running(pages) == [[f"Line {letter}"] for letter in "xyzuvw"]


def test_numbers_that_are_no_page_numbers_stay() -> None:
    pages = [[f"{number} {word}", word * 3] for number, word in ((17, "cats"), (4, "dogs"), (99, "owls"), (23, "bees"))]
    assert without_running(pages) == pages


def test_few_pages_are_left_alone() -> None:
    assert without_running([["same", " "], ["same"], ["same"]]) == [["same"], ["same"], ["same"]]


def test_full_lines_go_on() -> None:
    lines = [
        "This line is as wide as the page",
        "and this is the end of it.",
        "- an item that is as wide as it",
        "- another",
    ]
    assert paragraphs(lines).split("\n") == [f"{lines[0]} {lines[1]}", lines[2], lines[3]]
    assert paragraphs([]) == ""

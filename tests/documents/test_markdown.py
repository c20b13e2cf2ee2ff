"""Markdown becomes sections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents.markdown import read_markdown


def blocks(text: str) -> list[tuple[tuple[str, ...], str, str]]:
    return [(block.headings, block.kind, block.text) for block in read_markdown(text).blocks]


def test_a_page() -> None:
    page = """# Guide {#top}

Intro with [a link](https://x.org) and ![a pot](pot.png), `code` and **bold**. This line
goes on.
中文的换行
没有空格。

## Install #

1. First
2. Second
   - nested

   ```sh
   pip install x
   ```
5. Third

| a | b |
|---|:-:|
| 1 | *2* |

Setext
------

> A quote.

### Deep

    indented code

## Empty
"""
    content = read_markdown(page)
    assert (content.title, content.fields) == ("Guide", {})
    assert blocks(page) == [
        ((), "text", "Intro with a link and a pot, code and bold. This line goes on. 中文的换行没有空格。"),
        (("Install",), "text", "1. First\n2. Second\n  - nested"),
        (("Install",), "code", "pip install x"),
        (("Install",), "text", "3. Third"),
        (("Install",), "table", "a | b\n1 | 2"),
        (("Setext",), "text", "A quote."),
        (("Setext", "Deep"), "code", "indented code"),
        (("Empty",), "text", ""),
    ]


def test_front_matter() -> None:
    content = read_markdown("---\ntitle: Tea\ntags: [a, b]\ndate: 2024-05-06\n---\n# Tea\n\nText.")
    assert (content.title, content.fields) == ("Tea", {"tags": ["a", "b"], "date": "2024-05-06"})
    assert [block.headings for block in content.blocks] == [()]


def test_a_title_beside_the_heading() -> None:
    content = read_markdown("---\ntitle: Tea\n---\n# Green tea\n\nText.")
    assert (content.title, content.blocks[0].headings) == ("Tea", ("Green tea",))


@pytest.mark.parametrize(
    ("page", "title", "headings"),
    [
        ("# A\n\nx\n\n# B\n\ny", None, [("A",), ("B",)]),
        ("x\n\n# A\n\ny", None, [(), ("A",)]),
        ("## A\n\nx\n\n### B\n\ny", "A", [(), ("B",)]),
        ("### A\n\nx\n\n# B\n\ny", None, [("A",), ("B",)]),
        ("# A\n\n#### B\n\nx\n\n## C\n\ny", "A", [("B",), ("C",)]),
        ("x", None, [()]),
        ("", None, []),
    ],
)
def test_the_title_is_the_heading_above_all(page: str, title: str | None, headings: list) -> None:
    content = read_markdown(page)
    assert (content.title, [block.headings for block in content.blocks]) == (title, headings)


def test_html_loses_its_tags() -> None:
    page = """<h1 align="center">Tool</h1>
<p align="center"><img src="x"> A <b>fast</b> tool &amp; more.</p>
<!-- a comment
over lines -->

Some<br>text with <kbd>Ctrl</kbd>.

## Next
"""
    assert read_markdown(page).title == "Tool"
    assert blocks(page) == [((), "text", "A fast tool & more.\n\nSome\ntext with Ctrl."), (("Next",), "text", "")]


def test_a_line_that_is_too_long_for_a_heading() -> None:
    assert blocks(f"# {'word ' * 100}")[0][:2] == ((), "text")


@pytest.mark.parametrize(
    "part",
    ["[", "![", "*a ", "_a_ ", "> ", "- ", "<a ", "<!--", "[a](", "`a", "&amp", "\\", "# a\n", "<h1>", "<script>\n"],
)
def test_pages_that_mean_harm(part: str) -> None:
    assert read_markdown(part * 4000).fields == {}


@given(st.text(alphabet="#>-*`|[]()!<b r/\n\t a1.中\\&:=~_", max_size=200))
def test_any_text_is_some_page(page: str) -> None:
    content = read_markdown(page)
    assert all(block.text or block.headings for block in content.blocks)


@given(st.lists(st.text(alphabet="abc中 ", min_size=1, max_size=20).filter(str.strip), max_size=10))
def test_no_paragraph_is_lost(paragraphs: list[str]) -> None:
    found = "\n\n".join(text for _, _, text in blocks("\n\n".join(part.strip() for part in paragraphs)))
    assert found.split("\n\n") == [part.strip() for part in paragraphs] or not paragraphs


@pytest.mark.parametrize(
    "page", ["## H {n}\n\nWord {n} is [here][a].\n\n", "Word {n}\n\n", "- item {n}\n", "```\ncode {n}\n```\n"]
)
def test_a_very_long_page_is_read_in_parts(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[a]: https://x.org\n\n" + "".join(page.replace("{n}", str(number)) for number in range(300))
    whole = blocks(text)
    monkeypatch.setattr("resift.documents.markdown._PART", 500)
    parts = blocks(text)
    words = [word for _, _, found in parts for word in found.split()]
    assert words == [word for _, _, found in whole for word in found.split()]
    assert [path for path, _, _ in parts if path] == [path for path, _, _ in whole if path]

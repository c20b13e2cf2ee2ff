"""Markdown: CommonMark with tables, and front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from resift.documents.frontmatter import take_front_matter
from resift.documents.outline import Outline, join_lines, table
from resift.documents.records import Content
from resift.documents.tags import heading_parts

if TYPE_CHECKING:
    from markdown_it.token import Token

_PART = 1 << 20
_FENCE = re.compile(r"`{3,}|~{3,}")
_PARAGRAPH = re.compile(r"[^\s>|<*+\d-]")
_DEEPEST = 40
"""Lists and quotes within each other: what is deeper is left out by the parser."""


def read_markdown(text: str) -> Content:
    """Return title, sections and front matter; links and images become their texts, HTML loses its tags."""
    from markdown_it import MarkdownIt

    fields, body = take_front_matter(text)
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    outline = Outline()
    walk = _Walk(outline)
    known: dict[str, object] = {}  # the addresses of links that earlier parts define
    for part in _parts(body):
        for token in parser.parse(part, known):
            walk.take(token)
    given = fields.pop("title", None)
    title, blocks = outline.finish(str(given) if given is not None else None)
    return Content(title, blocks, fields)


def _parts(body: str) -> Iterator[str]:
    """Yield a page, or parts of a very long one, for its parser needs 200 bytes and more for each of text.

    They end before a heading or a paragraph where that is possible, and never within fenced code of less than a part.
    """
    start = place = 0
    fence = ""
    blank = False
    while len(body) - start > _PART and place < len(body):
        line = body[place : _line_end(body, place)]
        found = _FENCE.match(line)
        if found is not None and (not fence or line.startswith(fence)):
            fence = "" if fence else found.group()
        size = place - start
        begins = not fence and (line.startswith("#") or (blank and _PARAGRAPH.match(line) is not None))
        if (size > _PART // 2 and begins) or size > _PART:
            yield body[start:place]
            start, fence = place, ""
        blank = not line.strip()
        place += len(line)
    yield body[start:]


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


class _Walk:
    """The tokens of a page, put into an outline one by one."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._level = 0  # of the heading that is open
        self._lists: list[int | None] = []  # the numbers that come next, None for bullets
        self._marker = ""
        self._lines: list[str] = []  # of the list that is open
        self._rows: list[list[str]] | None = None

    def take(self, token: Token) -> None:
        """Take the next token."""
        kind = token.type
        if kind == "inline":
            self._inline(_plain(token.children or []))
        elif kind in {"fence", "code_block"}:
            self._flush()
            self._outline.block(token.content, "code")
        elif kind == "html_block":
            self._html(token.content)
        elif kind in {"heading_open", "heading_close"}:
            # A heading within a list or a quote is a paragraph of it.
            self._level = int(token.tag[1]) if token.nesting == 1 and token.level == 0 else 0
        elif kind.endswith("_list_open"):
            self._lists.append(int(token.attrs.get("start", 1)) if kind.startswith("ordered") else None)
        elif kind.endswith("_list_close"):
            self._lists.pop()
            if not self._lists:
                self._flush()
        elif kind == "list_item_open":
            number = self._lists[-1]
            self._marker = "- " if number is None else f"{number}. "
            if number is not None:
                self._lists[-1] = number + 1
        else:
            self._table(kind)

    def _inline(self, text: str) -> None:
        if self._level:
            self._outline.heading(self._level, _without_anchor(text))
        elif self._rows is not None:
            self._rows[-1].append(text)
        else:
            self._paragraph(text)

    def _paragraph(self, text: str) -> None:
        if not self._lists:
            self._outline.text(text)
        elif text:
            indent = "  " * (len(self._lists) - 1)
            first = indent + (self._marker or "  ")
            self._marker = ""
            self._lines.extend(
                (first if number == 0 else indent + "  ") + line for number, line in enumerate(text.split("\n"))
            )

    def _html(self, markup: str) -> None:
        for level, text in heading_parts(markup):
            if level and not self._lists:
                self._outline.heading(level, text)
            else:
                self._paragraph(text)

    def _table(self, kind: str) -> None:
        if kind == "table_open":
            self._rows = []
        elif kind == "tr_open" and self._rows is not None:
            self._rows.append([])
        elif kind == "table_close" and self._rows is not None:
            self._flush()
            self._outline.block(table(self._rows), "table")
            self._rows = None

    def _flush(self) -> None:
        self._outline.text("\n".join(self._lines))
        self._lines = []


def _plain(tokens: Sequence[Token]) -> str:
    """Return the text of a paragraph: a line break that only wraps it is a space."""
    parts = []
    for token in tokens:
        if token.type == "softbreak":
            parts.append("\v")
        elif token.type == "hardbreak" or (
            token.type == "html_inline" and re.match(r"<br\b", token.content, re.IGNORECASE)
        ):
            parts.append("\n")
        elif token.type == "image":
            parts.append(_plain(token.children or []))
        elif token.type in {"text", "code_inline", "text_special"}:
            parts.append(token.content)
    return join_lines("".join(parts), "\v").strip()


def _without_anchor(heading: str) -> str:
    """Drop what generators of sites write behind a heading: `{#install}`, `[[install]]`."""
    for opening, closing in (("{", "}"), ("[[", "]]")):
        start = heading.rfind(opening)
        if start > 0 and heading.endswith(closing):
            return heading[:start].rstrip()
    return heading

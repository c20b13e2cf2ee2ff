"""reStructuredText, as far as search needs it: headings, code and paragraphs; markup that hides words is taken off."""

from __future__ import annotations

import re
from collections.abc import Sequence

from resift.documents.outline import Outline
from resift.documents.records import Content

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_DIRECTIVE = re.compile(r"\.\. (?P<name>[\w:+.-]+?)::[ \t]*(?P<rest>.*)")
_CODE = frozenset({"code", "code-block", "sourcecode", "parsed-literal", "doctest", "literalinclude", "highlight"})
_UNSEEN = frozenset({"toctree", "contents", "index", "image", "raw", "include", "meta", "currentmodule", "automodule"})
_MARKED = re.compile(r"``(?P<literal>[^`]+)``|(?::[\w:+.-]{1,40}:)?`(?P<text>[^`]+)`_{0,2}")
_OPTION = re.compile(r"\s+:[\w -]+:.*")


def read_rst(text: str) -> Content:
    """Return title and sections."""
    outline = Outline()
    _Walk(text.expandtabs(8).split("\n"), outline).run()
    title, blocks = outline.finish()
    return Content(title, blocks)


class _Walk:
    def __init__(self, lines: Sequence[str], outline: Outline) -> None:
        self._lines = lines
        self._outline = outline
        self._styles: list[str] = []  # of headings, in the order in which they came: their levels
        self._place = 0
        self._paragraph: list[str] = []

    def run(self) -> None:
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if not line.strip():
                self._end()
                self._place += 1
            elif not (self._heading() or self._explicit() or self._literal(line)):
                self._paragraph.append(line)
                self._place += 1
        self._end()

    def _line(self, ahead: int) -> str:
        place = self._place + ahead
        return self._lines[place] if place < len(self._lines) else ""

    def _heading(self) -> bool:
        """Take a title with a rule below it, or one above it, too."""
        if self._paragraph:
            return False
        above, over = _RULE.fullmatch(self._line(0)), 0
        if above is not None:
            below = _RULE.fullmatch(self._line(2))
            if below is None or below.group(1) != above.group(1) or not self._line(1).strip():
                self._place += 1  # a rule by itself parts paragraphs
                return True
            over = 1
        below = _RULE.fullmatch(self._line(over + 1))
        title = self._line(over)
        if below is None or (title[:1].isspace() and not over):
            return False
        if len(self._line(over + 1).strip()) < min(len(title.strip()), 4):
            return False
        style = below.group(1) * (over + 1)
        if style not in self._styles:
            self._styles.append(style)
        self._outline.heading(self._styles.index(style) + 1, _inline(title))
        self._place += over + 2
        return True

    def _explicit(self) -> bool:
        """Take a directive, a comment, or a target."""
        line = self._line(0)
        if not line.lstrip().startswith(".. ") and line.strip() != "..":
            return False
        self._end()
        indent = len(line) - len(line.lstrip())
        found = _DIRECTIVE.match(line.lstrip())
        self._place += 1
        if found is None or found.group("name").lower() in _UNSEEN:
            self._indented(indent)
            return True
        while _OPTION.fullmatch(self._line(0)) and self._line(0).strip():
            self._place += 1
        if found.group("name").lower() in _CODE:
            self._outline.block(_dedented(self._indented(indent)), "code")
        elif found.group("rest"):
            self._outline.text(_inline(found.group("rest")))
        return True  # the content of an admonition or the like is read as any other text

    def _literal(self, line: str) -> bool:
        """Take a paragraph that ends in `::`, and the code below it."""
        if not line.rstrip().endswith("::"):
            return False
        said = line.rstrip()[:-1] if line.strip() != "::" else ""
        self._paragraph.append(said)
        self._end()
        self._place += 1
        self._outline.block(_dedented(self._indented(len(line) - len(line.lstrip()))), "code")
        return True

    def _indented(self, indent: int) -> list[str]:
        """Take the lines that are indented more, and the blank ones among them."""
        start = self._place
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if line.strip() and len(line) - len(line.lstrip()) <= indent:
                break
            self._place += 1
        return list(self._lines[start : self._place])

    def _end(self) -> None:
        self._outline.text(_inline("\n".join(line.rstrip() for line in self._paragraph)))
        self._paragraph = []


def _inline(text: str) -> str:
    """Return what a reader reads of literals, roles and links."""
    return _MARKED.sub(_words, text)


def _words(found: re.Match[str]) -> str:
    if found["literal"] is not None:
        return str(found["literal"])
    words, target, _ = found["text"].partition("<")
    return str(words.strip() if target and words.strip() else found["text"].strip("<>~!"))


def _dedented(lines: list[str]) -> str:
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    least = min(indents, default=0)
    return "\n".join(line[least:] for line in lines)

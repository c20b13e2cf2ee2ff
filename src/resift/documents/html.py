"""HTML pages: what a reader reads of them, without navigation, in sections by their headings."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from resift.documents.encodings import decode
from resift.documents.limits import MOST_TAGS
from resift.documents.outline import Outline, table
from resift.documents.records import Content
from resift.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from bs4.element import PageElement, Tag


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNSEEN = _names(
    """
    head title script style noscript template nav footer aside form button select dialog
    iframe object svg canvas audio video map
    """
)
_ROLES = frozenset({"navigation", "search", "banner", "contentinfo", "complementary"})
_PARTS = _names(
    """
    address article blockquote body center dd details div dl dt fieldset figcaption figure header hgroup html legend li
    main ol p section summary td th tr ul
    """
)
"""What begins and ends on lines of its own."""
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^<>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?\s{0,5}([\w:.-]{1,40})", re.IGNORECASE)
_LEAST = 0.1
"""<main> is what counts where it has at least this part of the page's text."""


def read_html(data: bytes, name: str, *, encoding: str | None = None) -> Content:
    """Return title, sections and language; raises MissingExtra without beautifulsoup4."""
    try:
        from bs4 import BeautifulSoup
    except ImportError:
        raise MissingExtra("reading HTML", extra="files") from None
    text = decode(data, name, encoding=encoding if encoding is not None else _charset(data))
    if text.count("<") > 2 * MOST_TAGS:
        raise InputError(f"{name}: more than {MOST_TAGS:,} HTML elements", hint="split it, or convert it to JSON Lines")
    try:
        soup = BeautifulSoup(_closed(text), "html.parser")
    except (AssertionError, ValueError) as error:  # what the parser of Python says to broken declarations
        raise InputError(f"{name}: not HTML: {error}") from error
    outline = Outline()
    _Walk(outline).run(_content(soup))
    heading = soup.title.get_text() if soup.title is not None else None
    title, blocks = outline.finish()
    if title is None and heading is not None:
        title, blocks = outline.finish(heading)
    return Content(title, blocks, _fields(soup))


def _closed(text: str) -> str:
    """Make text of every `<` that nothing closes: Python's parser reads on to the end of the page from each of them."""
    for opening, closing in (("<!--", "-->"), ("<![", "]>"), ("<", ">")):
        end = text.rfind(closing) + 1
        text = text[:end] + text[end:].replace(opening, f"&lt;{opening[1:]}")
    return text


def _charset(data: bytes) -> str | None:
    """Return the encoding that the page itself names, where its bytes are in it and carry no mark of another."""
    found = _CHARSET.search(data, 0, 4096)
    if found is None or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    named = found.group(1).decode("ascii").lower()
    # As browsers do: pages that name the smaller encoding are written in the larger one.
    wider = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "shift_jis": "cp932", "euc-kr": "cp949"}
    try:
        codec = codecs.lookup(wider.get(named, named)).name
        data.decode(codec)
    except (LookupError, UnicodeError):
        return None
    return None if codec.startswith("utf-16") else codec


def _fields(soup: BeautifulSoup) -> dict[str, object]:
    fields: dict[str, object] = {}
    language = soup.html.get("lang") if soup.html is not None else None
    if isinstance(language, str) and language.strip():
        fields["lang"] = language.strip()
    for name in ("description", "keywords", "author"):
        tag = soup.find("meta", attrs={"name": name})
        content = tag.get("content") if tag is not None else None
        if isinstance(content, str) and content.strip():
            fields[name] = content.strip()
    return fields


def _content(soup: BeautifulSoup) -> Tag:
    """Return the part of a page that it says is the content."""
    mains = soup.find_all("main") or soup.find_all(True, attrs={"role": "main"})
    articles = soup.find_all("article")
    whole = len(soup.get_text())
    for found in (mains, articles):
        if len(found) == 1 and len(found[0].get_text()) >= _LEAST * whole:
            return found[0]
    return soup


class _Walk:
    """The elements of a page, put into an outline one by one.

    It follows the tree without recursion: pages nest as deep as they like.
    """

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._line: list[str] = []
        self._lines: list[str] = []
        self._lists: list[int | None] = []
        self._marker = ""

    def run(self, top: Tag) -> None:
        """Walk through everything in an element."""
        from bs4.element import NavigableString, PreformattedString, Tag

        open_tags: list[Tag] = []
        element: PageElement | None = top.contents[0] if top.contents else None
        end = _after(top)
        while element is not None and element is not end:
            while open_tags and element.parent is not open_tags[-1]:
                self._close(open_tags.pop())
            if isinstance(element, Tag):
                if self._open(element):
                    element = _after(element)
                    continue
                open_tags.append(element)
            elif isinstance(element, NavigableString) and not isinstance(element, PreformattedString):
                self._line.append(str(element))
            element = element.next_element
        while open_tags:
            self._close(open_tags.pop())
        self._flush()

    def _open(self, tag: Tag) -> bool:
        """Begin an element; return whether it is done, with everything in it."""
        name = tag.name
        if name in _UNSEEN or tag.get("role") in _ROLES or tag.has_attr("hidden") or _is_banner(tag):
            return True
        if name in _HEADINGS:
            self._flush()
            self._outline.heading(_HEADINGS[name], tag.get_text(" "))
        elif name == "pre":
            self._flush()
            self._outline.block(tag.get_text(), "code")
        elif name == "table" and (rows := _data(tag)) is not None:
            self._flush()
            if tag.caption is not None:
                self._outline.text(" ".join(tag.caption.get_text(" ").split()))
            self._outline.block(table(rows), "table")
        elif name == "img":
            self._line.append(f" {tag.get('alt') or ''} ")
            return True
        elif name in {"br", "hr"}:
            self._end_line()
            return True
        else:
            self._begin(tag)
            return False
        return True

    def _begin(self, tag: Tag) -> None:
        name = tag.name
        if name in _PARTS:
            self._end_line()
        if name == "ol":
            start = str(tag.get("start", "1"))
            self._lists.append(int(start) if start.isdecimal() and len(start) < 10 else 1)
        elif name == "ul":
            self._lists.append(None)
        elif name == "li":
            number = self._lists[-1] if self._lists else None
            self._marker = "- " if number is None else f"{number}. "
            if number is not None:
                self._lists[-1] = number + 1

    def _close(self, tag: Tag) -> None:
        if tag.name in _PARTS:
            self._end_line()
        if tag.name in {"ol", "ul"} and self._lists:
            self._lists.pop()
        if tag.name in _PARTS and not self._lists:
            self._flush()

    def _end_line(self) -> None:
        text = " ".join("".join(self._line).split())
        self._line = []
        if text:
            indent = "  " * min(len(self._lists) - 1, 20)
            self._lines.append(f"{indent}{self._marker}{text}")
            self._marker = ""

    def _flush(self) -> None:
        self._end_line()
        self._outline.text("\n".join(self._lines))
        self._lines = []


def _after(tag: Tag) -> PageElement | None:
    """Return what follows an element and everything in it."""
    last: PageElement | None = tag
    while last is not None and last.next_sibling is None:
        last = last.parent
    return last.next_sibling if last is not None else None


def _is_banner(tag: Tag) -> bool:
    """Say whether an element is the header of the site, and not that of the content."""
    return tag.name == "header" and tag.find("h1") is None and tag.find_parent(["article", "main"]) is None


def _data(tag: Tag) -> list[list[str]] | None:
    """Return the rows of a table; None for one that lays out a page: with tables, headings or code, or one column."""
    if tag.find(["table", "pre", *_HEADINGS]) is not None:
        return None
    rows = _rows(tag)
    return rows if any(len(row) > 1 for row in rows[:3]) else None


def _rows(tag: Tag) -> list[list[str]]:
    """Return the cells of each row.

    Subtle: pages leave out </td> and </tr>, as HTML lets them, and Python's parser puts the next cells within the open
    one then. So a cell ends where the next begins.
    """
    from bs4.element import CData, NavigableString, Tag

    rows: list[list[list[str]]] = []
    for element in tag.descendants:
        if isinstance(element, Tag):
            if element.name == "tr" or (element.name in {"td", "th"} and not rows):
                rows.append([])
            if element.name in {"td", "th"}:
                rows[-1].append([])
        elif type(element) in {NavigableString, CData} and rows and rows[-1]:  # others are comments and scripts
            rows[-1][-1].append(str(element))
    return [[" ".join(cell) for cell in row] for row in rows]

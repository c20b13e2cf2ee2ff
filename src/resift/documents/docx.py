"""Word documents (.docx): paragraphs, tables, and headings by their styles; Office Open XML, ECMA-376 part 1."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from resift.documents.limits import MOST_MARKUP
from resift.documents.outline import Outline, table
from resift.documents.records import Content
from resift.errors import InputError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MARKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n"}
_HEADING = re.compile(r"heading ?([1-9])")


def read_docx(path: Path, name: str) -> Content:
    """Return title and sections; raises InputError for a file that is damaged or unpacks to more than a limit."""
    try:
        with zipfile.ZipFile(path) as archive:
            body = _part(archive, "word/document.xml", name)
            styles = _part(archive, "word/styles.xml", name)
            core = _part(archive, "docProps/core.xml", name)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name}: not a readable Word document: {error}") from error
    if body is None or body.find(f"{_W}body") is None:
        raise InputError(f"{name}: not a Word document: it has no word/document.xml")
    outline = Outline()
    levels = _levels(styles)
    for element in body.find(f"{_W}body") or ():
        if element.tag == f"{_W}tbl":
            outline.block(table(_rows(element)), "table")
        else:
            for paragraph, text in _paragraphs(element):
                _paragraph(paragraph, text, levels, outline)
    given = core.findtext(_TITLE) if core is not None else None
    title, blocks = outline.finish(given)
    return Content(title, blocks)


def _part(archive: zipfile.ZipFile, member: str, name: str) -> Element | None:
    """Return the XML of a part; None where there is none."""
    if member not in archive.namelist():
        return None
    with archive.open(member) as stream:
        data = stream.read(MOST_MARKUP + 1)
    if len(data) > MOST_MARKUP:
        raise InputError(f"{name}: {member} unpacks to more than {MOST_MARKUP >> 20} MiB")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # Word writes none, and ten lines of them can stand for gigabytes
        raise InputError(f"{name}: {member} declares entities, which no Word document does")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise InputError(f"{name}: {member} is not XML: {error}") from error


def _levels(styles: Element | None) -> dict[str, int]:
    """Return the level of each style of headings by the style's id, which depends on Word's language."""
    found: dict[str, int] = {}
    for style in styles.iter(f"{_W}style") if styles is not None else ():
        name = style.find(f"{_W}name")
        known = _HEADING.fullmatch(str(name.get(f"{_W}val")).lower()) if name is not None else None
        level = style.find(f"{_W}pPr/{_W}outlineLvl")
        if known is not None:
            found[str(style.get(f"{_W}styleId"))] = int(known.group(1))
        elif level is not None and str(level.get(f"{_W}val")) in set("012345678"):
            found[str(style.get(f"{_W}styleId"))] = int(str(level.get(f"{_W}val"))) + 1
        elif name is not None and str(name.get(f"{_W}val")).lower() == "title":
            found[str(style.get(f"{_W}styleId"))] = 0
    return found


def _paragraph(paragraph: Element, text: str, levels: dict[str, int], outline: Outline) -> None:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    level = levels.get(str(style.get(f"{_W}val"))) if style is not None else None
    if level is not None:
        outline.heading(level, text)
    elif paragraph.find(f"{_W}pPr/{_W}numPr") is not None and text.strip():
        outline.text(f"- {text.strip()}")
    else:
        outline.text(text)


def _paragraphs(top: Element) -> Iterator[tuple[Element, str]]:
    """Yield the paragraphs in an element, itself included, and their texts as they read with all changes accepted.

    One within another, in a text box, is not a part of that one's text and comes before it.
    """
    open_ones: list[tuple[Element, list[str]]] = []
    for element, begins in _walk(top):
        if element.tag == f"{_W}p":
            if begins:
                open_ones.append((element, []))
            else:
                paragraph, parts = open_ones.pop()
                yield paragraph, "".join(parts)
        elif begins and open_ones:
            open_ones[-1][1].append(_character(element))


def _rows(top: Element) -> list[list[str]]:
    """Return the cells of each row; those of a table within a cell are rows of their own behind it."""
    rows: list[list[list[str]]] = []
    for element, begins in _walk(top):
        if not begins:
            continue
        if element.tag == f"{_W}tr":
            rows.append([])
        elif element.tag == f"{_W}tc" and rows:
            rows[-1].append([])
        elif rows and rows[-1]:
            rows[-1][-1].append(" " if element.tag == f"{_W}p" else _character(element))
    return [["".join(cell) for cell in row] for row in rows]


def _walk(top: Element) -> Iterator[tuple[Element, bool]]:
    """Yield each element twice, where it begins and where it ends. What is there for older programs is left out."""
    waiting = [(top, True)]
    while waiting:
        element, begins = waiting.pop()
        if element.tag == _FALLBACK:
            continue
        yield element, begins
        if begins:
            waiting.append((element, False))
            waiting.extend((child, True) for child in reversed(element))


def _character(element: Element) -> str:
    """Return what an element of a run reads as."""
    if element.tag == f"{_W}t":
        return element.text or ""
    return _MARKS.get(element.tag, "")

"""Word documents (.docx): paragraphs, tables, and headings by their styles; Office Open XML, ECMA-376 part 1."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from resift.documents.limits import MOST_MARKUP
from resift.documents.outline import Outline, table
from resift.documents.records import Content
from resift.errors import InputError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
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
            outline.block(_rows(element), "table")
        else:
            for paragraph in element.iter(f"{_W}p"):
                _paragraph(paragraph, levels, outline)
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


def _paragraph(paragraph: Element, levels: dict[str, int], outline: Outline) -> None:
    text = _text(paragraph)
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    level = levels.get(str(style.get(f"{_W}val"))) if style is not None else None
    if level is not None:
        outline.heading(level, text)
    elif paragraph.find(f"{_W}pPr/{_W}numPr") is not None and text.strip():
        outline.text(f"- {text.strip()}")
    else:
        outline.text(text)


def _rows(element: Element) -> str:
    rows = []
    for row in element.iter(f"{_W}tr"):
        rows.append([" ".join(_text(paragraph) for paragraph in cell.iter(f"{_W}p")) for cell in row.iter(f"{_W}tc")])
    return table(rows)


def _text(paragraph: Element) -> str:
    """Return the text of a paragraph as it reads with all changes accepted."""
    parts = []
    for element in paragraph.iter():
        if element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag == f"{_W}tab":
            parts.append("\t")
        elif element.tag in {f"{_W}br", f"{_W}cr"}:
            parts.append("\n")
    return "".join(parts)

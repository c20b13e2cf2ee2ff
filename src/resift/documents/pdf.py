"""PDF files: pages of text, lines joined to paragraphs, the outline as headings."""

from __future__ import annotations

import logging
import re
import struct
import unicodedata
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.documents.limits import MOST_PAGES, MOST_PDF
from resift.documents.outline import Outline
from resift.documents.printed import paragraphs, without_running
from resift.documents.records import Content
from resift.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from pypdf import PdfReader

_BROKEN = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, AssertionError,
    NotImplementedError, EOFError, OSError, zlib.error, struct.error,
)  # fmt: skip
"""What pypdf raises about damaged files, beside its own errors."""
_UNUSUAL = re.compile("[\ufb00-\ufb06\u2e80-\u2fd5]")
_DEEPEST = 6
_NO_TITLE = re.compile(
    r"untitled.*|microsoft (?:word|excel|powerpoint) - .*|(?:document|文档|幻灯片) ?\d*"
    r"|.*\.(?:docx?|xlsx?|pptx?|wps|tex|dvi|indd|qxd|pdf)",
    re.IGNORECASE,
)
"""What programs write where nobody gave a title."""


logging.getLogger("pypdf").addHandler(logging.NullHandler())
"""Without a handler its warnings reach stderr, beside the error that says what is wrong."""


def read_pdf(path: Path, name: str) -> Content:
    """Return title and sections, with their pages; raises InputError for a file without text or under a password.

    Headers and footers that most pages have are left out. Raises MissingExtra without pypdf.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError:
        raise MissingExtra("reading PDF", extra="files") from None
    texts: list[str] = []
    try:
        with path.open("rb") as stream:
            reader = PdfReader(stream)
            _check(path, reader, name)
            texts.extend(_readable(sheet.extract_text()) for sheet in reader.pages)
            return _content(texts, _outline(reader), _metadata(reader), name)
    except InputError:
        raise
    except DependencyError as error:
        raise InputError(f"{name}: encrypted", hint="decrypt it: qpdf --decrypt in.pdf out.pdf") from error
    except (PyPdfError, *_BROKEN) as error:
        where = f" after page {len(texts)}" if texts else ""
        raise InputError(
            f"{name}: not a readable PDF{where}: {error}", hint="repair it: qpdf in.pdf out.pdf"
        ) from error


def _check(path: Path, reader: PdfReader, name: str) -> None:
    if path.stat().st_size > MOST_PDF:
        raise InputError(f"{name}: larger than {MOST_PDF >> 20} MiB", hint="split it")
    if reader.is_encrypted and not reader.decrypt(""):
        raise InputError(f"{name}: needs a password", hint="decrypt it: qpdf --decrypt --password=... in.pdf out.pdf")
    if len(reader.pages) > MOST_PAGES:
        raise InputError(f"{name}: more than {MOST_PAGES} pages", hint="split it")


def _readable(text: str) -> str:
    """Return text with letters where fonts had ligatures, or radicals in the place of characters."""
    return _UNUSUAL.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text.replace("\0", ""))


def _metadata(reader: PdfReader) -> dict[str, str]:
    known = reader.metadata
    if known is None:
        return {}
    found = {"title": known.title, "author": known.author, "subject": known.subject}
    return {name: " ".join(value.split()) for name, value in found.items() if isinstance(value, str) and value.strip()}


def _outline(reader: PdfReader) -> dict[int, list[tuple[int, str]]]:
    """Return (level, title) of the outline's entries by their page, from 1."""
    found: dict[int, list[tuple[int, str]]] = {}
    stack: list[tuple[int, Any]] = [(1, entry) for entry in reversed(reader.outline)]
    while stack:
        level, entry = stack.pop()
        if isinstance(entry, list):
            stack.extend((level + 1, below) for below in reversed(entry))
            continue
        page = reader.get_destination_page_number(entry)
        title = " ".join(_readable(str(entry.title or "")).split())
        if page is not None and page >= 0 and title:
            found.setdefault(page + 1, []).append((min(level, _DEEPEST), title))
    return found


def _content(
    texts: list[str], headings: dict[int, list[tuple[int, str]]], metadata: dict[str, str], name: str
) -> Content:
    if not any(text.strip() for text in texts):
        raise InputError(
            f"{name}: {len(texts)} pages without text: scanned images?",
            hint="recognise it first: ocrmypdf in.pdf out.pdf",
        )
    outline = Outline()
    for number, lines in enumerate(without_running([text.split("\n") for text in texts]), start=1):
        outline.page(number)
        for level, text in _sectioned(lines, headings.get(number, [])):
            if level:
                outline.heading(level, text)
            else:
                outline.text(text)
    given = metadata.pop("title", None)
    title, blocks = outline.finish(None if given is None or _NO_TITLE.fullmatch(given) else given)
    return Content(title, blocks, {**metadata, "pages": len(texts)})


def _sectioned(lines: list[str], headings: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return (level, heading) and (0, text) in the order of a page.

    A heading of the outline is looked for among the lines, and begins the page where it is not one of them.
    """
    parts: list[tuple[int, str]] = []
    place = 0
    for level, title in headings:
        found = _find(lines, title, place)
        if found is not None:
            parts.append((0, paragraphs(lines[place : found[0]])))
            place = found[1]
        parts.append((level, title))
    return [*parts, (0, paragraphs(lines[place:]))]


def _find(lines: list[str], title: str, start: int) -> tuple[int, int] | None:
    """Return the [start, end) lines that say this title, which may run over two."""
    wanted = "".join(title.split()).casefold()
    for place in range(start, len(lines)):
        one = "".join(lines[place].split()).casefold()
        if one.endswith(wanted) and len(one) <= len(wanted) + 8:  # its number may not be in the outline
            return place, place + 1
        if one and wanted.startswith(one) and place + 1 < len(lines):
            two = one + "".join(lines[place + 1].split()).casefold()
            if two == wanted:
                return place, place + 2
    return None

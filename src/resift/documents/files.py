"""A file that is one document: its kind by its ending, and the reader of that kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from resift.documents.docx import read_docx
from resift.documents.encodings import decode
from resift.documents.html import read_html
from resift.documents.limits import MOST_MARKUP, MOST_TEXT, read_bytes
from resift.documents.markdown import read_markdown
from resift.documents.pdf import read_pdf
from resift.documents.records import Block, Content, Document
from resift.documents.rows import clean, make_document
from resift.documents.rst import read_rst

_Reader: TypeAlias = Callable[[Path, str, str | None], Content]


def _plain(path: Path, name: str, encoding: str | None) -> Content:
    return Content(None, [Block(_text(path, name, encoding))])


def _markdown(path: Path, name: str, encoding: str | None) -> Content:
    return read_markdown(decode(read_bytes(path, most=MOST_MARKUP, name=name), name, encoding=encoding))


def _rst(path: Path, name: str, encoding: str | None) -> Content:
    return read_rst(_text(path, name, encoding))


def _html(path: Path, name: str, encoding: str | None) -> Content:
    return read_html(read_bytes(path, most=MOST_MARKUP, name=name), name, encoding=encoding)


def _pdf(path: Path, name: str, _: str | None) -> Content:
    return read_pdf(path, name)


def _docx(path: Path, name: str, _: str | None) -> Content:
    return read_docx(path, name)


def _text(path: Path, name: str, encoding: str | None) -> str:
    return decode(read_bytes(path, most=MOST_TEXT, name=name), name, encoding=encoding)


_READERS: dict[str, tuple[str, _Reader]] = {
    ".txt": ("text", _plain),
    ".text": ("text", _plain),
    ".md": ("markdown", _markdown),
    ".markdown": ("markdown", _markdown),
    ".mdx": ("markdown", _markdown),
    ".rst": ("rst", _rst),
    ".html": ("html", _html),
    ".htm": ("html", _html),
    ".xhtml": ("html", _html),
    ".pdf": ("pdf", _pdf),
    ".docx": ("docx", _docx),
}
ENDINGS = tuple(_READERS)


def is_document(path: Path) -> bool:
    """Say whether a file of this ending is one document."""
    return path.suffix.lower() in _READERS


def read_file(path: Path, *, id: str, encoding: str | None = None) -> Document:
    """Return a file as a document, without blocks where it has no text; its name is its title where it has none.

    `fields` has its `path` and `kind`, and what it says of itself: front matter, language, author, pages.
    """
    kind, reader = _READERS[path.suffix.lower()]
    content = reader(path, str(path), encoding)
    blocks = [
        Block(clean(block.text), tuple(clean(heading) for heading in block.headings), block.page, block.kind)
        for block in content.blocks
        if block.text.strip() or block.headings
    ]
    id = clean(id)
    title = clean(content.title) if content.title is not None else clean(path.stem)
    return make_document(
        id, title=title, blocks=blocks, fields={**content.fields, "path": id, "kind": kind}, source=str(path)
    )

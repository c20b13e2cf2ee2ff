"""What was read, and the passages it is cut into. No logic beyond checks on themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from resift.errors import InputError

Fields: TypeAlias = Mapping[str, Any]
"""Metadata: JSON values by name."""

BlockKind: TypeAlias = Literal["text", "table", "code"]
"""How a block may be cut: at sentences, at rows (its first line is the header of the others), at lines."""

_SMALLEST = 50


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two headings, or a part of it: prose, one table or one piece of code.

    Attributes:
        text: paragraphs are parted by blank lines; empty where a heading has nothing below it.
        headings: the path to it, outermost first, without the document's title where the file gives one apart.
        page: the page of a PDF that it is on, from 1.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    kind: BlockKind = "text"


@dataclass(frozen=True, slots=True)
class Content:
    """What the reader of a kind of file finds in it."""

    title: str | None
    blocks: Sequence[Block]
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A file, or a row of one, as it was read.

    Attributes:
        id: the row's own, or the file's path relative to the folder that was given (with `/`); unique.
        blocks: the content in its order.
        fields: metadata to filter by and to show: a row's other columns; a file's path, kind and front matter.
        source: where it came from, for messages: `notes/a.md`, `shop.csv:12`.
        digest: hexadecimal, of everything above but the source: equal digests, equal documents.
    """

    id: str
    title: str | None
    blocks: Sequence[Block]
    fields: Fields = field(default_factory=dict)
    source: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that is found and ranked by itself.

    Attributes:
        document: the document's id.
        place: from 0 among the document's passages.
        text: its own text; headings that begin within it are lines of it.
        headings: the path of headings that it stands under.
        page: of a PDF, the page where it begins.
    """

    document: str
    place: int
    text: str
    headings: tuple[str, ...] = ()
    title: str | None = None
    page: int | None = None

    @property
    def full_text(self) -> str:
        """Title, headings and text, a line each: what is indexed and scored.

        The title is left out where the first heading or the first line of the text says the same.
        """
        lines = []
        if self.title is not None:
            known = self.headings[0] if self.headings else self.text.partition("\n")[0]
            if not _says(known.casefold(), self.title.casefold()):
                lines.append(self.title)
        if self.headings:
            lines.append(" > ".join(self.headings))
        lines.append(self.text)
        return "\n".join(lines)


def _says(line: str, title: str) -> bool:
    """Say whether a line has the title in it, and not only as a part of a word."""
    start = line.find(title)
    while start >= 0:
        around = line[max(0, start - 1) : start], line[start + len(title) : start + len(title) + 1]
        if not any(character.isalnum() for character in around):
            return True
        start = line.find(title, start + 1)
    return False


@dataclass(frozen=True, slots=True)
class Chunking:
    """How long passages are.

    Attributes:
        size: at most, of a passage's text, in characters: those of Chinese count 3, of Japanese kana and Korean 2.
            The default is 230 to 335 tokens of XLM-RoBERTa, whatever the language (`running_weights` has the figures),
            which leaves room for headings and a query in 512.
        overlap: at most, of the sentences that a passage repeats from the one before it, within one section.
    """

    size: int = 1000
    overlap: int = 100

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("overlap", self.overlap)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InputError(f"the {name} of passages is {value!r}, expected a whole number of characters")
        if self.size < _SMALLEST:
            raise InputError(f"the size of passages is {self.size}, expected {_SMALLEST} characters or more")
        if not 0 <= self.overlap <= self.size // 2:
            raise InputError(
                f"the overlap of passages is {self.overlap}, expected 0 to {self.size // 2}, half of their size"
            )

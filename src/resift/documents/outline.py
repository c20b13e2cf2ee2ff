"""Headings of levels, as they come, become the path of headings that each block stands under."""

import re
from itertools import pairwise

from resift.documents.limits import LONGEST_HEADING
from resift.documents.records import Block, BlockKind
from resift.text.sentences import DENSE

_DENSE = re.compile(f"[{DENSE}]")


class Outline:
    """Collects a file's headings and texts in their order, and gives the blocks.

    Headings may skip levels. Texts that follow each other under one heading are one block, parted by blank lines.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._texts: list[str] = []
        self._page: int | None = None
        self._bare = False
        self._levels: list[tuple[int, str]] = []

    def heading(self, level: int, text: str) -> None:
        """Begin a section; blank headings are none, and very long ones are text."""
        text = " ".join(text.split())
        if not text:
            return
        if len(text) > LONGEST_HEADING:
            self.text(text)
            return
        self._flush()
        if self._bare and level <= self._path[-1][0]:
            self._add("", "text")
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, text))
        self._levels.append((level, text))
        self._bare = True

    def text(self, text: str) -> None:
        """Add a paragraph or a list."""
        text = text.strip("\n").rstrip()
        if text.strip():
            self._texts.append(text)
            self._bare = False

    def block(self, text: str, kind: BlockKind) -> None:
        """Add a table or a piece of code."""
        text = text.strip("\n").rstrip()
        if text.strip():
            self._flush()
            self._add(text, kind)
            self._bare = False

    def page(self, number: int) -> None:
        """Begin a page."""
        self._flush()
        self._page = number

    def finish(self, given: str | None = None) -> tuple[str | None, list[Block]]:
        """Return the title and the blocks.

        Without a title that the file gives apart it is the first heading, where nothing stands before it and none of
        its level follows. A first heading that is the title is not repeated in the paths.
        """
        self._flush()
        if self._bare:
            self._add("", "text")
            self._bare = False
        title = " ".join(given.split()) if given is not None else ""
        if len(title) > LONGEST_HEADING:
            self.blocks.insert(0, Block(title))
            title = title[:LONGEST_HEADING].rstrip()
        if not self._levels or not all(block.headings for block in self.blocks):
            return title or None, self.blocks
        level, first = self._levels[0]
        alone = all(other > level for other, _ in self._levels[1:])
        if not alone or (title and title.casefold() != first.casefold()):
            return title or None, self.blocks
        below = [Block(block.text, block.headings[1:], block.page, block.kind) for block in self.blocks]
        return first, [block for block in below if block.text or block.headings]

    def _flush(self) -> None:
        if self._texts:
            self._add("\n\n".join(self._texts), "text")
            self._texts = []

    def _add(self, text: str, kind: BlockKind) -> None:
        self.blocks.append(Block(text, tuple(heading for _, heading in self._path), self._page, kind))


def join_lines(text: str, mark: str = "\n") -> str:
    """Put a space, or nothing between two characters of a script without spaces, where a `mark` only wrapped a text."""
    lines = [line.strip(" \t") for line in text.split(mark)]
    joined = [lines[0]]
    for before, line in pairwise(lines):
        joined.append(line if _DENSE.match(before[-1:]) and _DENSE.match(line) else f" {line}")
    return "".join(joined)


def table(rows: list[list[str]]) -> str:
    """Return rows of cells as lines, cells parted by bars; blank rows are left out."""
    lines = (" | ".join(" ".join(cell.split()) for cell in row) for row in rows if any(cell.strip() for cell in row))
    return "\n".join(lines)

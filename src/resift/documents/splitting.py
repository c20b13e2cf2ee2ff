"""Documents become passages: cut at headings, then at paragraphs, lines and sentences, never within a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from resift.documents.pieces import INSIDE, LINE, PARAGRAPH, SENTENCE, Piece, cut
from resift.documents.records import Block, Chunking, Document, Passage
from resift.documents.sections import GAP, Group, groups, merged_text, sections, stripped
from resift.documents.weights import running_weights

_SMALL = 2
"""A section below this part of the size joins its neighbour."""
_EARLIEST = {PARAGRAPH: 0.3, LINE: 0.5, SENTENCE: 0.6, INSIDE: 0.0}
"""A passage of this part of the wanted weight may end before a beginning of the level; the highest level wins."""


def split(document: Document, chunking: Chunking | None = None) -> list[Passage]:
    """Return the passages of a document, in its order; none for one without any text.

    Each holds at most `chunking.size` weighted characters of text. Small sections under one heading share a passage.
    A table that is cut repeats its header row. What the passages do not repeat is the whole document: nothing is lost
    but white space. A document that has nothing but a title is a passage of it.
    """
    chunking = chunking if chunking is not None else Chunking()
    found = [
        passage
        for group in groups(sections(document.blocks), small=chunking.size // _SMALL, size=chunking.size)
        for passage in _passages(group, chunking)
    ]
    if not found and document.title is not None and document.title.strip():
        found = [((), document.title, None)]
    return [
        Passage(document.id, place, text, headings, document.title, page)
        for place, (headings, text, page) in enumerate(found)
    ]


def _passages(group: Group, chunking: Chunking) -> Iterator[tuple[tuple[str, ...], str, int | None]]:
    """Yield (headings, text, page) of each passage of a group."""
    blocks = [block for section in group.sections for block in section.blocks]
    page = blocks[0].page if blocks else None
    is_short = bool(blocks) and group.weight <= chunking.size and blocks[-1].page == page
    if len(group.sections) > 1 or is_short:  # most documents are: their sentences need not be found
        yield group.headings, merged_text(group), page
    else:
        # A heading with nothing below it is itself the text.
        headings = group.headings if blocks else group.headings[:-1]
        for text, page in _Packing(blocks or [Block(group.headings[-1])], chunking).passages():
            yield headings, text, page


class _Packing:
    """The pieces of one section, packed into passages from the first to the last."""

    def __init__(self, blocks: Sequence[Block], chunking: Chunking) -> None:
        self._blocks = blocks
        self._chunking = chunking
        self._pieces: list[Piece] = []
        self._of: list[int] = []  # the number of each piece's block
        self._from: list[int] = []  # what weighs before it, gaps between blocks included
        self._total = 0
        self._headers = [_header(block, chunking.size) for block in blocks]
        for number, block in enumerate(blocks):
            self._total += len(GAP) if number else 0
            for piece in cut(block, limit=chunking.size - _weight(self._headers[number])):
                self._pieces.append(piece)
                self._of.append(number)
                self._from.append(self._total)
                self._total += piece.weight

    def passages(self) -> Iterator[tuple[str, int | None]]:
        """Yield (text, page) of each passage."""
        previous = begin = 0
        while begin < len(self._pieces):
            first = self._overlap(previous, begin)
            end = self._end(first, begin)
            while end is None:  # the next piece needs the overlap's room
                first += 1
                end = self._end(first, begin)
            if self._text(begin, end):
                yield self._text(first, end), self._blocks[self._of[first]].page
            previous, begin = begin, end

    def _overlap(self, previous: int, begin: int) -> int:
        """Return the first of the sentences before `begin` that the next passage repeats."""
        best = place = begin
        if self._blocks[self._of[begin]].kind != "text":
            return begin
        while place - 1 > previous and self._blocks[self._of[place - 1]].kind == "text":
            place -= 1
            if self._from[begin] - self._from[place] > self._chunking.overlap:
                break
            if self._level(place) != INSIDE:
                best = place
        return best

    def _end(self, first: int, begin: int) -> int | None:
        """Return where the passage from `first` with new pieces from `begin` on ends; None when not one fits."""
        room = self._chunking.size - _weight(self._header(first))
        rest = self._total - self._from[first]
        if rest <= room:
            return len(self._pieces)
        # So that the last one is no crumb: all that are left are to weigh the same.
        overlap = self._chunking.overlap
        more = ceil((rest - room) / max(room - overlap, 1))
        wanted = (rest + more * overlap) / (more + 1)
        repeated = self._from[begin] - self._from[first]
        best: dict[int, tuple[float, int]] = {}
        last = None
        for place in range(begin + 1, len(self._pieces)):
            weight = self._from[place - 1] + self._pieces[place - 1].weight - self._from[first]
            if weight > room:
                break
            last = place
            level = self._level(place)
            if weight - repeated >= _EARLIEST[level] * (wanted - repeated):
                best[level] = min(best.get(level, (wanted + room, 0)), (abs(weight - wanted), place))
        return best[max(best)][1] if best else last

    def _level(self, place: int) -> int:
        """Return how good it is to begin at a piece."""
        number = self._of[place]
        is_first = place > 0 and self._of[place - 1] < number
        return INSIDE if is_first and self._goes_on(number) else self._pieces[place].level

    def _goes_on(self, number: int) -> bool:
        """Say whether a block begins in the midst of the sentence that ran over the page's end."""
        before, block = self._blocks[number - 1], self._blocks[number]
        if before.page == block.page or not before.kind == block.kind == "text":
            return False
        last = before.text.rstrip()[-1:]
        return last.isalnum() or last in {",", "，", "、"}

    def _header(self, place: int) -> str:
        """Return what a passage that begins at this piece repeats: the header row of a table, or nothing."""
        header = self._headers[self._of[place]]
        return header if self._pieces[place].start >= len(header) else ""

    def _text(self, first: int, end: int) -> str:
        text = ""
        while first < end:
            number = self._of[first]
            last = first
            while last + 1 < end and self._of[last + 1] == number:
                last += 1
            block = self._blocks[number]
            part = stripped(block.text[self._pieces[first].start : self._pieces[last].end], block.kind)
            if part:
                gap = "" if not text else " " if self._goes_on(number) else GAP
                text += gap + self._header(first) + part
            first = last + 1
        return text


def _header(block: Block, size: int) -> str:
    """Return the header row of a table with its line break; nothing where it would take much of a passage's room."""
    if block.kind != "table" or "\n" not in block.text.strip():
        return ""
    line = block.text[: block.text.index("\n") + 1]
    return line if _weight(line) * 3 <= size and not line.isspace() else ""


def _weight(text: str) -> int:
    return int(running_weights(text)[-1])

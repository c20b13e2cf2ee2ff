"""A block as the pieces between which a passage may end: sentences, rows of a table, lines of code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from resift.documents.graphemes import cut_before, is_within
from resift.documents.records import Block
from resift.documents.weights import running_weights
from resift.text.sentences import DENSE, sentences
from resift.types import Int64

INSIDE, SENTENCE, LINE, PARAGRAPH = range(4)
"""How good a place is to begin a passage: inside a sentence, at one, at a line or list item, at a paragraph."""

_CLAUSE = frozenset(",;:，；：、،؛—–")
_DENSE = re.compile(f"[{DENSE}]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters [start, end) of a block's text, with the white space behind them.

    Attributes:
        level: how good it is to begin a passage with it.
        weight: of its characters.
    """

    start: int
    end: int
    level: int
    weight: int


def cut(block: Block, *, limit: int) -> list[Piece]:
    """Return the pieces of a block: in order, none of them heavier than `limit`, together its whole text.

    A word, or what a reader sees as one character, is cut only where it alone is heavier.
    """
    weights = running_weights(block.text)
    spans = _sentences(block.text) if block.kind == "text" else _lines(block.text)
    return [
        Piece(low, high, INSIDE if part else level, int(weights[high] - weights[low]))
        for start, end, level in spans
        for part, (low, high) in enumerate(_shortened(block.text, start, end, weights, limit))
    ]


def _lines(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, level) of lines; one after a blank line begins a part of its own."""
    level = PARAGRAPH
    for line in _LINE.finditer(text):
        yield line.start(), line.end(), level
        level = LINE if line.group().isspace() else SENTENCE


def _sentences(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, level) of sentences, together with the next where a word would be torn."""
    begin, level = 0, PARAGRAPH
    for start, end in sentences(text):
        following = _level(text, start, end)
        if following is not None:
            yield begin, end, level
            begin, level = end, following


def _level(text: str, start: int, end: int) -> int | None:
    """Return how good it is to begin behind the sentence [start, end); None where that is within a word."""
    if end == len(text):
        return PARAGRAPH
    if is_within(text, end, start=start):
        return None
    before, after = text[end - 1], text[end]
    if before.isspace():
        sentence = text[start:end]
        breaks = sentence.count("\n", len(sentence.rstrip()))
        return PARAGRAPH if breaks > 1 else LINE if breaks else SENTENCE
    if before not in _CLAUSE and before > "\u0300" and unicodedata.category(before)[0] == "P":
        return SENTENCE
    return INSIDE if before in _CLAUSE or _DENSE.match(before) or _DENSE.match(after) else None


def _shortened(text: str, start: int, end: int, weights: Int64, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the span, or, where it is too heavy, parts of it: cut at white space, else between two characters."""
    while weights[end] - weights[start] > limit:
        high = int(np.searchsorted(weights, weights[start] + limit, side="right")) - 1
        place = _cut(text, start, max(high, start + 1))
        yield start, place
        start = place
    yield start, end


def _cut(text: str, start: int, high: int) -> int:
    if text[high].isspace():
        return high
    lowest = start if not _DENSE.match(text[high]) else (start + high) // 2
    for place in range(high, lowest, -1):
        if text[place - 1].isspace() and not is_within(text, place, start=start):
            return place
    return cut_before(text, high, start=start)

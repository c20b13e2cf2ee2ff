"""Which part of a passage is shown, and which of its words are those of the query: in any script, without a list.

Words match when they are equal, when the text's word holds the query's (`Krankenhaus` for `Haus`, `السعر` for `سعر`) or
when they begin alike (`heated` for `heating`). Scripts without spaces match by pairs of characters. Beside longer words
of a query, its short ones in small letters are no matches: they are `the`, `wie` and `для`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from resift.text.sentences import DENSE, Span, sentences

_DENSE = re.compile(f"[{DENSE}]")
_HELD = 4
"""Letters of a word of the query that counts within another."""
_MOST = 0.55
"""The part of a word of the query that is a match by itself: `سعر` for `السعر`, `heat` for `heating`."""
_SHORT = 3
"""Letters of a word that says little beside longer ones."""
_ALPHABETS_END = "\u0590"
"""Latin, Greek, Cyrillic and Armenian come before; in Hebrew and Arabic three letters are a root."""
_LONGEST_WORD = 25
_ALIKE = 5
"""Letters that two words begin with to be taken for forms of one."""


def matches(text: str, query: str) -> list[Span]:
    """Return the [start, end) characters of the text that match the query, in order, none touching the next."""
    asked = _asked(query)
    pairs = {pair for start, end, dense in _words(query) if dense for pair in _pairs(query[start:end])}
    alone = {query[start:end] for start, end, dense in _words(query) if dense and end - start == 1}
    found: list[Span] = []
    for start, end, dense in _words(text):
        if dense:
            found += _dense_matches(text, start, end, pairs, alone)
        elif any(_match(_folded(text[start:end]), word) for word in asked):
            found.append((start, end))
    return _merged(found)


def excerpt(text: str, query: str, *, limit: int) -> Span:
    """Return the [start, end) characters to show, about `limit` of them: sentences with the most of the query."""
    if len(text) <= limit:
        return 0, len(text)
    starts = [start for start, _ in sentences(text)]
    spans = matches(text, query)
    best, place = -1, 0
    for start in starts:
        held = {_folded(text[a:b]) for a, b in spans if start <= a and b <= start + limit}
        worth = sum(map(len, held))
        if worth > best or worth == best > 0:  # of equal ones the last: it begins with the query's words
            best, place = worth, start
    return place, ending(text, place, place + limit)


def ending(text: str, start: int, end: int) -> int:
    """Return where to stop before `end`: behind a word, where one ends not long before."""
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", max(start + 1, end - _LONGEST_WORD), end + 1)
    return end if space < 0 else space


def _asked(query: str) -> list[str]:
    """Return the words of a query that are worth marking, in scripts with spaces."""
    words = [query[start:end] for start, end, dense in _words(query) if not dense]
    telling = [word for word in words if not (len(word) <= _SHORT and word.islower() and word < _ALPHABETS_END)]
    return [_folded(word) for word in telling or words]


def _match(word: str, asked: str) -> bool:
    if word == asked:
        return True
    least = _HELD if asked < _ALPHABETS_END else _HELD - 1
    if len(asked) >= least and asked in word and len(asked) * 3 >= len(word):
        return True
    if len(word) >= _HELD - 1 and word in asked and len(word) >= _MOST * len(asked):
        return True
    return min(len(word), len(asked)) >= _ALIKE and word[:_ALIKE] == asked[:_ALIKE]


def _dense_matches(text: str, start: int, end: int, pairs: set[str], alone: set[str]) -> Iterator[Span]:
    for place in range(start, end):
        if text[place : place + 2] in pairs and place + 2 <= end:
            yield place, place + 2
        elif text[place] in alone:
            yield place, place + 1


def _pairs(text: str) -> Iterator[str]:
    return (one + other for one, other in pairwise(text))


def _words(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, dense) of each run of letters, digits and marks of one kind of script."""
    start, kind = 0, None
    for place, character in enumerate(text):
        found = _kind(character)
        if found != kind:
            if kind is not None:
                yield start, place, kind
            start, kind = place, found
    if kind is not None:
        yield start, len(text), kind


def _kind(character: str) -> bool | None:
    """Return whether a character is of a script without spaces; None for what is in no word."""
    if not character.isalnum() and unicodedata.category(character)[0] != "M":
        return None
    return _DENSE.match(character) is not None


def _folded(word: str) -> str:
    """Return a word without capitals and without marks, those of Arabic and Hebrew vowels among them."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in plain if unicodedata.category(character) != "Mn") or word


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged

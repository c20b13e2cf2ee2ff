"""Where a text may be cut so that no character that a reader sees is torn apart."""

import unicodedata

# What extends the character before it beside marks: joiners, Thai and Lao AM, half-width voice marks.
_EXTENDS = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
_JOINER = "\u200d"
_VIRAMA = 9
_MOST_MARKS = 32
_MOST_FLAGS = 1000
"""Letters of flags that are looked back at: without a bound a page of flags would take hours."""


def cut_before(text: str, place: int, *, start: int) -> int:
    """Return the last place up to this one, and after `start`, that is within no character; else the place itself."""
    for cut in range(place, start, -1):
        if not is_within(text, cut, start=start):
            return cut
    return place


def is_within(text: str, place: int, *, start: int) -> bool:
    """Say whether the characters before and after a place are one to a reader; `start` is a place between two.

    After Unicode Standard Annex 29, without its tables: marks, joined pictures, flags, Hangul and Indic clusters. It
    leaves some more together than the annex does.
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if after < "\u0300" and before != _JOINER:
        return before == "\r" and after == "\n"
    if before == _JOINER or _extends(after):
        return True
    if _is_flag_letter(after) and _is_flag_letter(before):
        return _flag_letters(text, place, start) % 2 == 1
    if "\u1160" <= after <= "\u11ff" or "\u1100" <= before <= "\u115f":
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7ff"
    return unicodedata.category(after) == "Lo" and _ends_in_virama(text, place, start)


def _extends(character: str) -> bool:
    return (
        character in _EXTENDS
        or unicodedata.category(character) in {"Mn", "Mc", "Me"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags
    )


def _ends_in_virama(text: str, place: int, start: int) -> bool:
    """Say whether the marks before a place have one among them that binds the next letter."""
    for mark in reversed(text[max(start, place - _MOST_MARKS) : place]):
        if unicodedata.combining(mark) == _VIRAMA:
            return True
        if not _extends(mark):
            break
    return False


def _flag_letters(text: str, place: int, start: int) -> int:
    """Return how many letters of flags stand before a place."""
    first = place
    while first > max(start, place - _MOST_FLAGS) and _is_flag_letter(text[first - 1]):
        first -= 1
    return place - first


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"

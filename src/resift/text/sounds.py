"""What words sound like, whatever their script: the names in a question and in a document of another language.

Every letter has a class of consonants or none; a word is its consonants' classes between two boundaries, neighbours
that are equal counted once (after the idea of Soundex, Russell 1918, with classes that hold across scripts). Grams of
four are compared. Чайковский and Tchaikovsky are ^SKFSK$ and ^TSKFSK$. Chinese characters have no sounds here.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[Any]
Ints = NDArray[np.int64]

CLASSES = "BFTKSMNLR"
BOUNDARY = len(CLASSES) + 1
BASE = len(CLASSES) + 2
SIZE = BASE**4  # numbers of grams
_LATIN = {
    **dict.fromkeys("bp", "B"), **dict.fromkeys("fvw", "F"), **dict.fromkeys("dt", "T"), **dict.fromkeys("kgqc", "K"),
    **dict.fromkeys("szj", "S"), "m": "M", "n": "N", "l": "L", "r": "R", "x": "KS", "ß": "S", "ø": "", "đ": "T",
}  # fmt: skip
# Beginnings of the letters' names in Unicode, the longest that fits first.
_NAMES = {
    "SH": "S", "CH": "S", "ZH": "S", "TS": "S", "TH": "T", "KH": "K", "GH": "K", "PH": "F", "BH": "B", "DH": "T",
    "NG": "N", "NY": "N", "PS": "BS", "KS": "KS", "XI": "KS", "HA ": "", "B": "B", "P": "B", "F": "F", "V": "F",
    "T": "T", "D": "T", "K": "K", "G": "K", "Q": "K", "S": "S", "Z": "S", "C": "S", "J": "S", "M": "M", "N": "N",
    "L": "L", "R": "R",
}  # fmt: skip
_OTHERS = {
    # Cyrillic letters that are named after the vowel before them, and what names mislead about
    **dict(zip("млнрсфхщцҷ", ("M", "L", "N", "R", "S", "F", "K", "S", "S", "S"), strict=True)),
    **dict(zip("χθψξφγ", ("K", "T", "BS", "KS", "F", "K"), strict=True)),
    **dict(zip("جچخعحهوغثذظضط", ("S", "S", "K", "", "", "", "", "K", "T", "T", "T", "T", "T"), strict=True)),
    "\u0902": "N", "\u0982": "N",  # nasals of Devanagari and Bengali
    **dict(zip("ฟวพภผคฆขฉชซฌ", "FFBBBKKKSSSS", strict=True)),
    **dict(zip("ンんッっヴフふ", ("N", "N", "", "", "F", "F", "F"), strict=True)),
}  # fmt: skip
_INITIALS = ("K", "K", "N", "T", "T", "R", "M", "B", "B", "S", "S", "", "S", "S", "S", "K", "T", "B", "")
_FINALS = (
    "", "K", "K", "K", "N", "N", "N", "T", "L", "L", "L", "L", "L", "L", "L", "L", "M", "B", "B", "S", "S", "N", "S",
    "S", "K", "T", "B", "",
)  # fmt: skip


class SoundTable:
    """The sounds of every piece of a vocabulary, and the sound grams of any sequence of pieces."""

    def __init__(self, pieces: list[list[int]]) -> None:
        """Take the code points of every piece of the vocabulary, in the order of their ids."""
        sounds = [_piece(codes) for codes in pieces]
        self._width = np.array([len(s) for s in sounds], np.int64)
        self._first = np.cumsum(self._width) - self._width
        self._sounds = np.array([x for s in sounds for x in s] or [0], np.int64)

    def __call__(self, ids: Ids) -> Ints:
        """Return the grams of a text, int[tokens], each below SIZE, in its order."""
        width: Ints = self._width[ids]
        where = np.arange(int(width.sum())) + np.repeat(self._first[ids] - (np.cumsum(width) - width), width)
        spelt = np.empty(len(where) + 2, np.int64)
        spelt[0] = spelt[-1] = BOUNDARY
        spelt[1:-1] = self._sounds[where]
        spelt = spelt[np.append(True, spelt[1:] != spelt[:-1])]
        if len(spelt) < 4:
            return np.zeros(0, np.int64)
        keys: Ints = ((spelt[:-3] * BASE + spelt[1:-2]) * BASE + spelt[2:-1]) * BASE + spelt[3:]
        within: Ints = keys[(spelt[1:-2] != BOUNDARY) & (spelt[2:-1] != BOUNDARY)]
        return within


def _piece(codes: list[int]) -> list[int]:
    letters = [chr(code) if code < 0x110000 else " " for code in codes]
    found: list[int] = []
    for letter, after in zip(letters, [*letters[1:], " "][: len(letters)], strict=True):
        if unicodedata.category(letter)[0] not in "LM":
            found.append(BOUNDARY)
        else:
            found += [CLASSES.index(c) + 1 for c in _sound(letter, after)]
    return found


def _sound(letter: str, after: str) -> str:
    """Return the classes of a letter: none, one or two."""
    kana = "\u3040" <= letter <= "\u30ff"  # of which the parts would be another syllable and a sign
    plain = letter if kana or letter in _OTHERS else unicodedata.normalize("NFD", letter)[0]
    if (plain == "c" and after in "eiyhéè") or (plain == "p" and after == "h"):
        return "S" if plain == "c" else "F"
    if plain in _LATIN or plain in _OTHERS:
        return _LATIN.get(plain, _OTHERS.get(plain, ""))
    if "가" <= letter <= "힣":
        place = ord(letter) - ord("가")
        return _INITIALS[place // 588] + _FINALS[place % 28]
    return _named(unicodedata.name(plain, ""), kana=kana)


def _named(name: str, *, kana: bool) -> str:
    """Return what the letter's name in Unicode begins with."""
    for sign in (" LETTER ", " CHARACTER "):
        if sign in name and not name.startswith("LATIN"):
            said = name.split(sign)[1].removeprefix("SMALL ").removeprefix("FINAL ")
            if said.startswith(("SARA ", "MAI")) or (kana and said.startswith("H")):  # Thai vowels and tones; ヒ
                return ""
            return next((c for start, c in _NAMES.items() if said.startswith(start)), "")
    return ""

"""Character grams of a text, cut from the characters of the vocabulary's pieces.

Grams stay inside words: four characters in scripts that write spaces (and in Thai), where a word is spelt with its two
boundaries; two characters in Chinese, Japanese and Korean; and a finer set of three and one. On small collections such
grams rank better than words or stems, and they need no word segmenter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray

Ids = NDArray[Any]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

SEPARATOR, WORD, DENSE = 0, 1, 2
_FOLLOWERS = 3
# Odd multipliers of a gram's characters: a gram's key is the sum of the products modulo 2^64. The last two are those of
# dense scripts.
MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F,
     0xE7037ED1A0B428DB], np.uint64
)  # fmt: skip
BOUNDARY = np.uint64(0x110200)
BYTE_BASE = 0x110000  # the piece <0xE4> counts as one character beyond Unicode
SCRIPTS = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "CYRILLIC", "ARABIC", "DEVANAGARI", "THAI", "GREEK",
           "HEBREW", "BENGALI", "TAMIL", "TELUGU", "GEORGIAN", "ARMENIAN", "BYTE", "OTHER")  # fmt: skip
_DENSE_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BYTE"}


class Grams(NamedTuple):
    """The grams of one text, in its order."""

    fine: Keys  # [m] three characters, or one of a dense script
    coarse: Keys  # [n] four characters, or two of a dense script
    start: Ints  # [n] first character of each coarse gram
    length: Ints  # [n] its characters
    place: Ints  # [n] where it begins, a dense character counted as three
    digit: NDArray[np.bool_]  # [n] begins with a digit
    inside: NDArray[np.bool_]  # [characters] no separator
    ends: Ints  # [tokens + 1] character offsets of the tokens


class GramTable:
    """The characters of every piece of a vocabulary, and the grams of any sequence of pieces."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        """Read the pieces; special tokens have no characters."""
        codes, width = _piece_characters(tokenizer)
        self.characters = [part.tolist() for part in np.split(codes, np.cumsum(width)[:-1])]  # [vocabulary] code points
        known, inverse = np.unique(codes, return_inverse=True)
        kind = np.array([_kind(int(c)) for c in known], np.int8)[inverse]
        digit = np.array([_is_digit(int(c)) for c in known], np.bool_)[inverse]
        script = np.array([SCRIPTS.index(_script(int(c))) for c in known], np.int64)[inverse]
        owner = np.repeat(np.arange(len(width)), width)
        letter = kind != SEPARATOR
        self.letters = np.bincount(owner[letter], minlength=len(width))  # [vocabulary] of each piece
        self.scripts = np.zeros((len(width), len(SCRIPTS)))  # [vocabulary, scripts] letters of each script
        np.add.at(self.scripts, (owner[letter], script[letter]), 1.0)
        # One more piece, of separators, stands behind every text, so that each character has followers.
        self._end = np.array([len(width)])
        self._width = np.append(width, _FOLLOWERS)
        self._first = np.cumsum(self._width) - self._width
        self._codes = np.append(codes, [0] * _FOLLOWERS).astype(np.uint64)
        self._kind = np.append(kind, np.full(_FOLLOWERS, SEPARATOR, np.int8))
        self._digit = np.append(digit, [False] * _FOLLOWERS)

    def __call__(self, ids: Ids) -> Grams:
        """Cut a text, int[tokens], into its grams."""
        return self.many([ids])[0]

    def many(self, texts: Sequence[Ids]) -> list[Grams]:
        """Cut texts, each int[tokens], into their grams: for short ones much faster than one by one."""
        ids = np.concatenate([part for text in texts for part in (text, self._end)])
        width = self._width[ids]
        ends = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(width, out=ends[1:])
        tokens = np.cumsum([0] + [len(text) + 1 for text in texts])  # where each text begins in `ids`
        begins = ends[tokens]  # and in characters
        size = int(ends[-1]) - _FOLLOWERS
        where = np.arange(size + _FOLLOWERS) + np.repeat(self._first[ids] - ends[:-1], width)
        kind, code = self._kind[where], self._codes[where]
        word, dense = kind == WORD, kind[:-2] == DENSE
        # A word is spelt with one boundary before and one behind, whatever the separators are.
        spelt = np.full(size + _FOLLOWERS, BOUNDARY)
        np.copyto(spelt, code, where=word)
        one = word[1:-2] & ~dense[:-1]  # the next character belongs to the word
        one[begins[1:-1] - 1] = False  # but not to that of the next text
        two, three = one & word[2:-1], word[3:]
        pair = dense[:-1] & dense[1:]
        word, dense, code, kind = word[:size], dense[:-1], code[:size], kind[:size]
        key = spelt[:-3] * MULTIPLIERS[0] + spelt[1:-2] * MULTIPLIERS[1] + spelt[2:-1] * MULTIPLIERS[2] * one
        single = code * MULTIPLIERS[4]
        kept = dense | one
        fine = np.where(dense, single, key)[kept]
        key += spelt[3:] * MULTIPLIERS[3] * two
        np.copyto(key, single, where=dense)
        key[:-1] += code[1:] * MULTIPLIERS[5] * pair[:-1]
        # A word right behind a dense character or the text's edge has no separator to begin at.
        inside = kind != SEPARATOR
        fresh = inside.copy()
        fresh[1:] &= (kind[:-1] != kind[1:]) & inside[:-1]
        others = begins[1:-1][begins[1:-1] < size]  # an empty last text begins behind all
        fresh[others] = inside[others]
        alone = dense & ~pair
        alone[1:] &= ~pair[:-1]
        start = np.flatnonzero((one & (~word | two)) | (fresh & word & ~two) | pair | alone)
        length = (1 + pair + one + two + (two & three))[start]
        place = np.cumsum(2 * dense + 1)
        starts_digit = self._digit[where]
        starts_digit = starts_digit[start] | (starts_digit[start + 1] & ~word[start] & ~dense[start])
        # Where each text's part of these arrays begins.
        coarse_at = np.searchsorted(start, begins)
        fine_at = np.searchsorted(np.flatnonzero(kept), begins)
        before = place[begins[:-1] - 1] if size else begins[:-1]
        key, place = key[start], place[start]
        return [
            Grams(
                fine[fine_at[i] : fine_at[i + 1]], key[a:b], start[a:b] - begins[i], length[a:b],
                place[a:b] - (before[i] if i else 0), starts_digit[a:b],
                inside[begins[i] : begins[i + 1] - _FOLLOWERS], ends[tokens[i] : tokens[i + 1]] - begins[i],
            )
            for i, (a, b) in enumerate(pairwise(coarse_at))
        ]  # fmt: skip


def _piece_characters(tokenizer: tokenizers.Tokenizer) -> tuple[NDArray[np.int64], Ints]:
    """Return all pieces' code points one after another, and the number of each piece's."""
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    pieces = [""] * tokenizer.get_vocab_size()
    for piece, i in tokenizer.get_vocab().items():
        pieces[i] = "" if i in special else piece.replace("▁", " ").lower()
    codes: list[int] = []
    width = np.zeros(len(pieces), np.int64)
    for i, piece in enumerate(pieces):
        is_byte = len(piece) == 6 and piece.startswith("<0x")
        found = [BYTE_BASE + int(piece[3:5], 16)] if is_byte else [ord(c) for c in piece]
        codes += found
        width[i] = len(found)
    return np.array(codes, np.int64), width


def _script(code: int) -> str:
    if code >= BYTE_BASE:
        return "BYTE"
    name = unicodedata.name(chr(code), "OTHER").replace("IDEOGRAPHIC", "CJK").split(" ")[0].split("-")[0]
    return name if name in SCRIPTS else "OTHER"


def _kind(code: int) -> int:
    """Return SEPARATOR, WORD or DENSE; combining marks belong to the word."""
    if code < BYTE_BASE and unicodedata.category(chr(code))[0] not in "LMN":
        return SEPARATOR
    return DENSE if _script(code) in _DENSE_SCRIPTS else WORD


def _is_digit(code: int) -> bool:
    return code < BYTE_BASE and unicodedata.category(chr(code)) == "Nd"

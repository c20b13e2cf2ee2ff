"""Which pieces of a vocabulary a language needs: by its script, and by a list where scripts are shared.

The lists (`recipes/languages` makes them) hold the pieces of XLM-RoBERTa's vocabulary that occur in a language's texts.
Without a list, for a language that has none or a vocabulary that is another one, every piece of the script stays.
"""

import hashlib
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from resift.errors import InputError
from resift.loading.safetensors import read_safetensors

FILE = Path(__file__).with_name("languages.safetensors")

_LATIN, _CYRILLIC, _ARABIC, _DEVANAGARI = ("LATIN",), ("CYRILLIC",), ("ARABIC",), ("DEVANAGARI",)
_JAPANESE = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC")
SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("af", "ca", "cs", "da", "de", "en", "es", "et", "eu", "fi", "fil", "fr", "ga", "hr"), _LATIN),
    **dict.fromkeys(("hu", "id", "is", "it", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "sk", "sl"), _LATIN),
    **dict.fromkeys(("sq", "sv", "sw", "tr", "vi"), _LATIN),
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "mn", "ru", "uk"), _CYRILLIC),
    **dict.fromkeys(("ar", "fa", "ps", "ug", "ur"), _ARABIC),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), _DEVANAGARI),
    "sr": ("CYRILLIC", "LATIN"),
    "am": ("ETHIOPIC",),
    "bn": ("BENGALI",),
    "el": ("GREEK",),
    "gu": ("GUJARATI",),
    "he": ("HEBREW",),
    "hy": ("ARMENIAN",),
    "ja": _JAPANESE,
    "ka": ("GEORGIAN",),
    "km": ("KHMER",),
    "kn": ("KANNADA",),
    "ko": ("HANGUL",),
    "lo": ("LAO",),
    "ml": ("MALAYALAM",),
    "my": ("MYANMAR",),
    "or": ("ORIYA",),
    "pa": ("GURMUKHI",),
    "si": ("SINHALA",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "th": ("THAI",),
    "zh": ("CJK", "BOPOMOFO", "IDEOGRAPHIC"),
}
"""Language -> the first words of its letters' names in Unicode."""


def check_languages(codes: Sequence[str]) -> None:
    """Raise InputError for a code that is not known."""
    unknown = [code for code in codes if code not in SCRIPTS]
    if unknown or not codes:
        raise InputError(
            f"unknown languages: {', '.join(unknown) or 'none given'}", hint=f"known: {', '.join(sorted(SCRIPTS))}"
        )


def scripts_of(text: str) -> set[str]:
    """Return the scripts of a text's letters and marks; digits and signs belong to none."""
    found = set()
    for character in text:
        if unicodedata.category(character)[0] in "LM":
            script = unicodedata.name(character, "UNKNOWN").split()[0]
            if script not in ("COMBINING", "MODIFIER", "VARIATION"):
                found.add(script)
    return found


def listed_pieces(code: str, pieces: Sequence[str]) -> np.ndarray | None:
    """Return the ids of the pieces on the language's list; None when there is none for this vocabulary."""
    lists = read_safetensors(FILE)
    if code not in lists or lists["vocabulary"].array().tobytes() != fingerprint(pieces):
        return None
    bits = np.frombuffer(zlib.decompress(lists[code].array().tobytes()), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(bits)[: len(pieces)])


def fingerprint(pieces: Iterable[str]) -> bytes:
    """Return what tells one vocabulary from another."""
    return hashlib.sha256("\n".join(pieces).encode()).digest()


def to_array(ids: Sequence[int], vocabulary: int) -> np.ndarray:
    """Return a list as the file holds it: a bit for each piece, compressed."""
    bits = np.zeros(vocabulary, dtype=np.uint8)
    bits[list(ids)] = 1
    return np.frombuffer(zlib.compress(np.packbits(bits).tobytes(), 9), dtype=np.uint8)

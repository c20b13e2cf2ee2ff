"""Bytes become text: UTF-8 and UTF-16, and the older encodings of Chinese, Japanese, Korean and Western Europe.

An older encoding is taken only where the text that it gives is a language's: nearly any bytes are some text in most of
them. Otherwise the error says how to convert the file.
"""

import codecs
import re
from dataclasses import dataclass

from resift.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 1 << 20
_HAN = frozenset(
    "的一是不了在有我他这這中大来來上国國个個到说說们們为為和年与與学學会會于於后後以行日月市公部法地民成政用作本建出定主"
    "理其位十生工业業及者当當条條三应應方同代管家名文二由合分物之四下时時规規可事任表务務自被保设設或得高要教新区區而"
    "门門面所关關章制加员員共通发發化立前利多特提全因最重期能式道人对對相使过過没沒就也都你那她好看小么麼去无無"
)
_HANGUL = frozenset(
    "이다에의는로하을가고지한서은기으대를도사시인년어리자수아스있나라일정부되국그과전해주들었제적성여동구장학상였와만교원위공"
    "게중세했며유조보화선문소비"
)
_KANA = frozenset(chr(code) for code in range(0x3041, 0x3094))
_WESTERN = re.compile(r"[ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûü‘’“”–—…«»°§©®€£·¿¡ªº²³½\u00a0]")
_FEWEST = 8
"""Characters beside ASCII without which no language shows."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An encoding, and the characters that a fourth of a text in it, beside ASCII, consists of."""

    codec: str
    common: frozenset[str]


_CANDIDATES = (
    _Candidate("gb18030", _HAN),
    _Candidate("big5hkscs", _HAN),
    _Candidate("cp932", _KANA),  # Shift_JIS as Windows writes it
    _Candidate("euc_jp", _KANA),
    _Candidate("cp949", _HANGUL),  # EUC-KR as Windows writes it
)
_SHARE, _LEAD = 0.25, 1.5


def decode(data: bytes, name: str, *, encoding: str | None = None) -> str:
    """Return the text of a file, with line feeds alone as breaks; raises InputError when it is none, or in doubt."""
    codec = encoding if encoding is not None else choose_encoding(data[:_SAMPLE], name, whole=len(data) <= _SAMPLE)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise not_in(codec, name, error.object.count(b"\n", 0, error.start) + 1) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_encoding(encoding: str | None) -> None:
    """Raise InputError for an encoding that Python does not know."""
    if encoding is None:
        return
    try:
        "".encode(encoding)
    except LookupError:
        raise InputError(f"the encoding {encoding!r} is unknown", hint="for example: utf-8, gb18030, big5") from None


def not_in(codec: str, name: str, line: int) -> InputError:
    """Return the error to raise about a file that is not in this encoding."""
    return InputError(
        f"{name}, line {line}: not {codec.upper().removesuffix('-SIG')} text",
        hint="name the encoding, or convert the file: iconv -f GB18030 -t UTF-8",
    )


def choose_encoding(sample: bytes, name: str, *, whole: bool = True) -> str:
    """Return the encoding of the beginning of a file; raises InputError where there is doubt.

    `whole` says that nothing follows, so that no character is cut off at the end.
    """
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return codec
    if _text(sample, "utf-8", whole) is not None and b"\0" not in sample:
        return "utf-8"
    if b"\0" in sample:
        return _sixteen_bits(sample, name)
    scores = sorted(((_share(sample, candidate, whole), candidate.codec) for candidate in _CANDIDATES), reverse=True)
    (best, codec), (second, _) = scores[:2]
    if best >= _SHARE and best >= _LEAD * second:
        return codec
    if _is_western(sample):
        return "cp1252"
    line = sample.count(b"\n", 0, _bad_place(sample)) + 1
    raise InputError(
        f"{name}, line {line}: not UTF-8 text, and no other encoding is certain",
        hint="name the encoding, or convert the file: iconv -f GB18030 -t UTF-8",
    )


def _text(sample: bytes, codec: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(sample, whole)
    except UnicodeDecodeError:
        return None


def _share(sample: bytes, candidate: _Candidate, whole: bool) -> float:
    """Return which part of the characters beside ASCII are common in the language; 0 where it is no text."""
    text = _text(sample, candidate.codec, whole)
    if text is None:
        return 0.0
    foreign = [character for character in text if character > "\u007f"]
    if len(foreign) < _FEWEST or any("\ue000" <= character <= "\uf8ff" for character in foreign):  # private use
        return 0.0
    return sum(character in candidate.common for character in foreign) / len(foreign)


def _is_western(sample: bytes) -> bool:
    """Say whether this is ASCII with the odd letter that Windows-1252 alone, of its kin, gives such a place."""
    high = [byte for byte in sample if byte > 0x7F]
    if len(high) * 5 > len(sample) or re.search(rb"[\x80-\xff]{4}|[\x00-\x08\x0e-\x1f]", sample):
        return False
    text = _text(sample, "cp1252", True)
    return text is not None and all(_WESTERN.match(character) for character in text if character > "\u007f")


def _sixteen_bits(sample: bytes, name: str) -> str:
    """Return UTF-16 without a mark: every other byte of its Latin letters is 0. Anything else is no text."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if len(sample) >= 2 * _FEWEST and max(even, odd) * 3 >= len(sample) // 2 and min(even, odd) * 20 <= max(even, odd):
        codec = "utf-16-le" if odd > even else "utf-16-be"
        if _text(sample, codec, False) is not None:
            return codec
    raise InputError(f"{name}: not a text file: it holds NUL bytes", hint="give it the ending of what it is")


def _bad_place(sample: bytes) -> int:
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0

"""Analyzers: what turns texts into the terms that BM25 counts, as 64-bit keys.

| Name | Terms | nDCG@10, R@100 of XQuAD-R's Chinese sentences | of CMRC 2018's passages |
|---|---|---|---|
| `ngrams` (default) | character 4-grams of words, characters and pairs of CJK | .848 .980 | .986 .999 |
| `words` | whole words; characters and pairs of CJK | .841 .979 | .985 .999 |
| `jieba` | whole words; Chinese as jieba cuts it (extra `jieba`) | .822 .964 | .985 .997 |
| `jieba+ngrams` | both | .848 .979 | .985 .999 |

In languages with spaces `ngrams` is ahead of `words` because inflected forms share most of their grams. A key is a hash
of a term's code points. It is part of the files of an index, and a test pins it.
"""

import hashlib
import logging
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from resift import _native
from resift.errors import InputError, MissingExtra
from resift.retrieval.analyzer import analyze, fold, is_cjk, runs
from resift.types import Int64

UInt64: TypeAlias = npt.NDArray[np.uint64]

_CODE_POINTS = 0x110000
_PAGE = 256
_MOST_REMEMBERED = 1 << 20
"""Terms whose keys are remembered; natural text repeats its words."""


class Analyzer(Protocol):
    """Turns texts into keys of terms."""

    @property
    def name(self) -> str:
        """What the keys depend on; an index refuses to open with an analyzer of another name."""

    def keys(self, texts: Sequence[str]) -> tuple[UInt64, Int64]:
        """Return the keys of all texts one after the other, uint64, and how many each text has, int64 [n]."""


class TextAnalyzer:
    """The terms of `analyzer.analyze`, or of `analyze_words`, without their strings: in C++."""

    def __init__(self, *, whole_words: bool) -> None:
        self.name = "words" if whole_words else "ngrams"
        self._whole_words = whole_words
        self._kinds = np.zeros(_CODE_POINTS, np.uint8)
        self._filled = np.zeros(_CODE_POINTS // _PAGE, bool)

    def keys(self, texts: Sequence[str]) -> tuple[UInt64, Int64]:
        """Return the keys of all texts one after the other, and how many each text has."""
        points, lengths = _code_points([fold(text) for text in texts])
        self._fill(points)
        return _native.text_keys(points, lengths, self._kinds, whole_words=self._whole_words)

    def _fill(self, points: npt.NDArray[np.uint32]) -> None:
        """Look up the kinds of the characters around those that are met for the first time."""
        met = np.zeros(_CODE_POINTS // _PAGE, bool)
        met[points // _PAGE] = True
        for page in np.flatnonzero(met & ~self._filled):
            first = int(page) * _PAGE
            self._kinds[first : first + _PAGE] = [_kind(code) for code in range(first, first + _PAGE)]
            self._filled[page] = True


class FunctionAnalyzer:
    """Terms that a function finds.

    >>> index = BM25(["Grüner Tee", "Kaffee"], analyzer=FunctionAnalyzer(str.split, name="split"))
    """

    def __init__(self, function: Callable[[str], Iterable[str]], *, name: str) -> None:
        self.name = name
        self._function = function
        self._known: dict[str, int] = {}

    def keys(self, texts: Sequence[str]) -> tuple[UInt64, Int64]:
        """Return the keys of all texts one after the other, and how many each text has."""
        terms: list[str] = []
        lengths = np.zeros(len(texts), np.int64)
        for place, text in enumerate(texts):
            before = len(terms)
            terms.extend(self._function(text))
            lengths[place] = len(terms) - before
        known = self._known
        new = list({term for term in terms if term not in known})
        if not all(isinstance(term, str) for term in new):
            raise InputError(f"the analyzer {self.name!r} returned something else than texts")
        fresh = dict(zip(new, _native.term_keys(*_code_points(new)).tolist(), strict=True))
        if len(known) + len(fresh) > _MOST_REMEMBERED:  # start over, with what this batch needs
            known = {term: known[term] for term in terms if term in known}
            self._known = known
        known.update(fresh)
        return np.fromiter((known[term] for term in terms), np.uint64, len(terms)), lengths


class JiebaAnalyzer(FunctionAnalyzer):
    """Words, Chinese ones as jieba cuts them; with `ngrams` also the default's terms.

    `words` is a file of words of your own, one a line, as jieba's `load_userdict` reads it (word, count, tag).
    """

    def __init__(self, *, words: str | Path | None = None, ngrams: bool = False) -> None:
        name = "jieba+ngrams" if ngrams else "jieba"
        if words is not None:
            try:
                name += f":{hashlib.sha256(Path(words).read_bytes()).hexdigest()[:12]}"
            except OSError as error:
                raise InputError(f"the words for jieba, {words}, cannot be read: {error.strerror}") from error
        tokenizer = _jieba(words)

        def terms(text: str) -> list[str]:
            found = analyze(text) if ngrams else []
            for run, cjk in runs(text):
                if cjk:
                    found.extend(tokenizer.cut(run))
                elif not ngrams:
                    found.append(run)
            return found

        super().__init__(terms, name=name)


def _jieba(words: str | Path | None) -> Any:
    """Return a tokenizer of its own: jieba's log stays quiet, and it leaves no file where temporary files are."""
    try:
        with warnings.catch_warnings():  # its sources have escapes that Python warns of when it compiles them
            warnings.simplefilter("ignore")
            import jieba
    except ImportError as error:
        raise MissingExtra("the analyzer 'jieba'", extra="jieba") from error
    with _LOADING:
        level = jieba.default_logger.level
        jieba.default_logger.setLevel(logging.WARNING)
        try:
            tokenizer = jieba.Tokenizer()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
                tokenizer.initialized = True  # or else it caches the dictionary in a file that anybody may have written
                if words is not None:
                    with Path(words).open("rb") as stream:
                        tokenizer.load_userdict(stream)
        except ValueError as error:
            raise InputError(f"the words for jieba, {words}, cannot be read: {error}") from error
        finally:
            jieba.default_logger.setLevel(level)
    return tokenizer


_LOADING = threading.Lock()

AnalyzerSpec: TypeAlias = str | Analyzer | Callable[[str], Iterable[str]]
"""A name of the table above, `jieba:FILE` with words of your own, an analyzer, or a function: text -> its terms."""

NAMED: dict[str, Callable[[], Analyzer]] = {
    "ngrams": lambda: TextAnalyzer(whole_words=False),
    "words": lambda: TextAnalyzer(whole_words=True),
    "jieba": JiebaAnalyzer,
    "jieba+ngrams": lambda: JiebaAnalyzer(ngrams=True),
}


def as_analyzer(spec: AnalyzerSpec) -> Analyzer:
    """Return the analyzer of that name, or the one given; a bare function gets an empty name."""
    if isinstance(spec, str):
        if spec in NAMED:
            return NAMED[spec]()
        name, colon, file = spec.partition(":")
        if colon and name in ("jieba", "jieba+ngrams"):
            return JiebaAnalyzer(words=file, ngrams=name != "jieba")
        raise InputError(f"there is no analyzer {spec!r}", hint=f"one of: {', '.join(NAMED)}, jieba:FILE")
    if hasattr(spec, "keys") and hasattr(spec, "name"):
        return spec
    if callable(spec):
        return FunctionAnalyzer(spec, name="")
    raise InputError(f"an analyzer is a name, a function or has name and keys, not {type(spec).__name__}")


def _code_points(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], Int64]:
    """Return the code points of all texts one after the other, and each text's number of them."""
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return np.frombuffer(joined, "<u4"), lengths


def _kind(code: int) -> int:
    """Return what a code point is to terms: native/lexical/terms.h has the numbers."""
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Cf":
        return 3
    if category[0] not in "LMN":
        return 0
    return 2 if is_cjk(character) else 1

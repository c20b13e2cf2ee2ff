"""The sentences of a text in any language: rules on punctuation, line breaks and length, no model and no dictionary."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""The [start, end) characters of a text."""

# Chinese and Japanese, Devanagari, Arabic and Urdu, Armenian, Ethiopic, Khmer, Burmese: nothing else ends in these.
_FULL_STOPS = "。！？｡‼⁇⁈⁉।॥؟۔։።፧។။"
_MARKS = ".!?…;\u037e"
_CLOSING = "\"'”’»›)\\]」』】》〉）］｝}"
_OPENING = "\"'“‘«‹([「『【《〈（［｛{¿¡-–—*•· "
DENSE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
"""Scripts, as a set of a regular expression, that put few spaces or none between words; a character of theirs says more
than a letter does."""
_THAI = "\u0e00-\u0eff"
_ITEM = re.compile(r"(?:[-*+•‣◦·–—]|\(?\d{1,3}[.)]|\(?[A-Za-z]\))[ \t]+|#{1,6} |\d{1,3}、")

_BREAKS = re.compile(
    rf"(?P<strong>[{_FULL_STOPS}]+[{_CLOSING}]*)"
    # Subtle: a run of marks is tried once, as a whole; from each of its marks again would be quadratic.
    rf"|(?P<weak>(?<![{_MARKS}])[{_MARKS}]++[{_CLOSING}]*(?:[ \u00a0\u202f]»)?(?:\[\d+\])*"
    rf"(?=\s|\Z|(?<=[!?.])[{DENSE}]))"
    r"|(?P<line>\n\s*)"
    rf"|(?P<thai>(?<=[{_THAI}]) +(?=[{_THAI}]))"
)
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[^\s([{\"'“‘«]*\Z")
_CLAUSE = re.compile(rf"[,;:，；：、،؛—–]+(?:\s+|(?<![,:])|(?=[{DENSE}]))")
_DENSE_CHARACTER = re.compile(f"[{DENSE}]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _words(
    """
    mr mrs ms mx dr prof rev hon gen col sgt capt lt st sr jr messrs mt eq ed eds al cf vs viz approx dept univ inc ltd
    co corp bros ave blvd rd tel ext est resp incl e.g i.e a.k.a ph.d b.sc m.sc
    bzw ca evtl ggf inkl str vgl z.b d.h u.a hrsg
    mme mlle env p.ex av sra srta ud uds dña avda
    sig dott ecc avv dhr mevr bijv blz np tzn tzw inż
    ул им тыс млн млрд руб проф акад т.е т.д т.п
    """
)
_BEFORE_NUMBERS = _words("no nos nr núm art fig figs sec ch vol pp pág min max abs bd jh гл рис стр см")
_STARTERS = _words("The This That These Those It He She We They You I In On At A An But And If When There")
"""What hardly ever follows an initial: 'vitamin C. It helps' are two sentences, 'J. Smith' is none."""
_AFTER_ORDINALS = _words(
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember Jahrhundert"
)
_WRAPPED = range(60, 101)
"""Characters in the lines of a text that a program wrapped: a line end there is no end of a sentence."""
_LONGEST, _LONGEST_DENSE = 320, 120
_SHORTEST_THAI = 20


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences: in order, none empty, together the whole text.

    White space belongs to the sentence before it. Line breaks and list items end sentences, but for breaks that only
    wrap a paragraph. What is longer than 320 characters (120 in scripts without spaces) is cut at a comma, else at a
    space, else anywhere: so no span is longer.
    """
    if not text:
        return []
    places = [0, *_joined(text, list(_places(text))), len(text)]
    return [piece for start, end in pairwise(places) for piece in _pieces(text, start, end)]


def _places(text: str) -> Iterator[int]:
    """Yield where sentences begin, but for the first."""
    last = 0
    for found in _BREAKS.finditer(text):
        after = _SPACE.match(text, found.end()).end()  # type: ignore[union-attr]
        if after <= last or after == len(text):
            continue
        kind = found.lastgroup
        if (
            kind == "strong"
            or (kind == "weak" and _ends(text, found, after))
            or (kind == "line" and not _wraps(text, last, found.start(), after))
            or (kind == "thai" and found.start() - last >= _SHORTEST_THAI)
        ):
            yield after
            last = after


def _ends(text: str, mark: re.Match[str], after: int) -> bool:
    """Say whether `.`, `!`, `?` or what is like them ends a sentence: see what stands around it."""
    signs, start = mark.group(), mark.start()
    if signs[0] in ";\u037e":  # the Greek question mark, and a semicolon to everyone else
        return unicodedata.name(text[start - 1], "").startswith("GREEK")
    following = text[after : after + 24].lstrip(_OPENING)
    if following[:1].islower():
        return False
    word = _WORD.search(text, max(0, start - 24), start).group()  # type: ignore[union-attr]
    if signs[0] != "." or signs.startswith(".."):
        return True
    next_word = re.match(r"\w*", following).group()  # type: ignore[union-attr]
    if word.isdigit():
        return not (_is_item(text, start, word) or (len(word) <= 2 and next_word in _AFTER_ORDINALS))
    if _is_initials(word):
        return next_word in _STARTERS
    word = word.lower()
    return word not in _ABBREVIATIONS and not (word in _BEFORE_NUMBERS and next_word[:1].isdigit())


def _is_initials(word: str) -> bool:
    """Say whether a word is 'J', 'U.S' or 'т.е': letters, each but the last with its point."""
    letters = word.split(".")
    return all(len(letter) == 1 and letter.isalpha() for letter in letters) and not _DENSE_CHARACTER.match(word)


def _is_item(text: str, point: int, number: str) -> bool:
    """Say whether the number before this point begins its line."""
    start = point - len(number)
    before = text[max(0, start - 16) : start].rstrip(" \t(")
    return len(number) <= 3 and (not before or before[-1] == "\n")


def _wraps(text: str, sentence: int, end: int, after: int) -> bool:
    """Say whether a line break only wraps a paragraph: no blank line, no list item, and the sentence goes on."""
    if text.count("\n", end, after) > 1 or _ITEM.match(text, after):
        return False
    line = text[max(sentence, text.rfind("\n", sentence, end) + 1) : end].rstrip()
    if text[after].islower():
        return True
    return len(line) in _WRAPPED and (line[-1].islower() or line[-1] == ",")


def _joined(text: str, places: list[int]) -> list[int]:
    """Drop the breaks around what has no letter or digit, such as a rule or a lone bullet: it joins what follows."""
    kept = []
    said = False
    for start, place in pairwise([0, *places]):
        said = said or any(map(str.isalnum, text[start:place]))
        if said:
            kept.append(place)
            said = False
    if kept and not any(map(str.isalnum, text[kept[-1] :])):
        kept.pop()
    return kept


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut a long sentence where it hurts least: at the last comma or the like that leaves no tiny piece."""
    dense = len(_DENSE_CHARACTER.findall(text, start, end)) * 3 > end - start
    limit = _LONGEST_DENSE if dense else _LONGEST
    while end - start > limit:
        cut = _cut(text, start + limit // 3, start + limit)
        yield start, cut
        start = cut
    yield start, end


def _cut(text: str, low: int, high: int) -> int:
    clauses = [found.end() for found in _CLAUSE.finditer(text, low, high)]
    if clauses:
        return clauses[-1]
    spaces = [found.end() for found in re.compile(r"\s+").finditer(text, low, high)]
    if spaces:
        return spaces[-1]
    while high > low + 1 and (unicodedata.combining(text[high]) or text[high] in "\u200d\ufe0f"):
        high -= 1
    return high

"""Markup within text, without a tree: tags out, entities decoded. Every function reads its text once."""

import re
from collections.abc import Iterator
from html import unescape

# Subtle: possessive, and no `<` within a tag, so that a page of `<` is not read again from each of them.
_TAG = re.compile(r"</?[A-Za-z][^<>]*+>|<[!?][^<>]*+>")
_BREAK = re.compile(r"</?(?:br|p|div|li|tr|h[1-6]|summary|details|dt|dd|table|ul|ol|hr)\b[^<>]*+>", re.IGNORECASE)
_CELL = re.compile(r"</t[dh]\s*+>\s*+<t[dh]\b[^<>]*+>", re.IGNORECASE)
_HEADING = re.compile(r"<h([1-6])\b[^<>]*+>((?:[^<]++|<(?!/?h[1-6]\b))*+)</h\1\s*+>", re.IGNORECASE)
_UNSEEN = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))


def without_tags(markup: str) -> str:
    """Return the text of a snippet of HTML: what ends a block ends a line."""
    text = markup
    for opening, closing in _UNSEEN:
        text = _without(text, opening, closing)
    text = _TAG.sub("", _BREAK.sub("\n", _CELL.sub(" | ", text)))
    lines = (" ".join(line.split()) for line in unescape(text).split("\n"))
    return "\n".join(line for line in lines if line)


def heading_parts(markup: str) -> Iterator[tuple[int, str]]:
    """Yield (level, text) of the headings in a snippet of HTML, and (0, text) of what stands between them."""
    place = 0
    for found in _HEADING.finditer(markup):
        yield 0, without_tags(markup[place : found.start()])
        yield int(found.group(1)), without_tags(found.group(2))
        place = found.end()
    yield 0, without_tags(markup[place:])


def _without(text: str, opening: str, closing: str) -> str:
    """Drop everything from an opening to its closing; what is not closed stays."""
    folded = text.lower()
    if opening not in folded or len(folded) != len(text):  # a few capitals have two small letters
        return text
    kept, place = [], 0
    while (start := folded.find(opening, place)) >= 0:
        end = folded.find(closing, start)
        if end < 0:
            break
        kept.append(text[place:start])
        place = end + len(closing)
    return "".join([*kept, text[place:]])

"""The lines of printed pages: running headers and footers out, paragraphs joined."""

import re
from collections import Counter
from collections.abc import Sequence

from resift.documents.outline import join_lines
from resift.documents.weights import running_weights

_EDGE = 3
"""Lines at the top and the bottom of a page that may be a running header or footer."""
_FEWEST = 4
"""Pages without which nothing shows as running."""
_PAGE_NUMBER = re.compile(r"^\W{0,3}(\d{1,5})(?!\d)|(?<!\d)(\d{1,5})\W{0,3}$")
_ITEM = re.compile(
    r"\s*(?:[-•‣◦▪●*–]|\(?\d{1,3}[.)、．]|[（(][一二三四五六七八九十\d]{1,3}[）)]|[一二三四五六七八九十]{1,3}、|第\S{1,5}[条章节])"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[^\W\d_])")
_FULL_LINE = 0.8
"""Lines of at least this part of a page's usual width go on in the next."""


def without_running(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the lines of pages that are not blank, without what is at the edges of most pages.

    That is a line that most pages have there, whatever numbers are in it, and one that begins or ends with the page's
    number, where most pages have such a line.
    """
    lines = [[line.strip() for line in page if line.strip()] for page in pages]
    if len(lines) < _FEWEST:
        return lines
    least = len(lines) // 2 + 1
    signs = Counter(sign for page in lines for sign in {_sign(line) for line in _edges(page)})
    offsets = Counter(
        offset
        for number, page in enumerate(lines)
        for offset in {found - number for line in _edges(page) for found in _numbers(line)}
    )
    offset, count = offsets.most_common(1)[0] if offsets else (0, 0)
    numbered = offset if count >= least else None
    kept = []
    for number, page in enumerate(lines):

        def runs(line: str, number: int = number) -> bool:
            return signs[_sign(line)] >= least or (numbered is not None and number + numbered in _numbers(line))

        first, last = 0, len(page)
        while first < min(_EDGE, last) and runs(page[first]):
            first += 1
        while last > max(first, len(page) - _EDGE) and runs(page[last - 1]):
            last -= 1
        kept.append(page[first:last])
    return kept


def _edges(page: Sequence[str]) -> list[str]:
    return [*page[:_EDGE], *page[-_EDGE:]]


def _sign(line: str) -> str:
    return re.sub(r"\d+", "#", "".join(line.split()))


def _numbers(line: str) -> set[int]:
    return {int(found.group(1) or found.group(2)) for found in _PAGE_NUMBER.finditer(line)}


def paragraphs(lines: Sequence[str]) -> str:
    """Join the lines that are as wide as the page's text with what follows them."""
    if not lines:
        return ""
    widths = [int(running_weights(line)[-1]) for line in lines]
    usual = sorted(widths)[len(widths) * 9 // 10]
    parts: list[str] = []
    going_on = False
    for line, width in zip(lines, widths, strict=True):
        if going_on and not _ITEM.match(line):
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
        going_on = width >= _FULL_LINE * usual
    return "\n".join(join_lines(_HYPHEN.sub("", part)) for part in parts)

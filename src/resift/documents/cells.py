"""Cells of tables, which know only texts, as numbers where they plainly are: so that prices can be compared."""

from __future__ import annotations

import re

# 007 and +49 are codes, 1e5 may be one, and what has more digits than a float would be another number.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")


class CellFloat(float):
    """A number of a table that is still written as there: 19.90 and not 19.9."""

    def __init__(self, written: str) -> None:
        self._written = written

    def __str__(self) -> str:
        return self._written


def as_cell(text: str) -> str | int | float | None:
    """Return a cell as a number where it plainly is one, and None where it is empty."""
    if not text:
        return None
    if len(text) > 32 or not _NUMBER.fullmatch(text) or text == "-0":
        return text
    return CellFloat(text) if "." in text else int(text)

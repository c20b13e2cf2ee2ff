"""Files and standard input as rows: JSON Lines, CSV, TSV and plain lines, each row with its line number.

UTF-8, with or without a byte order mark, and UTF-16 with one. A CSV field may hold quotes and line breaks; TSV has
no quoting, so its fields hold neither tabs nor line breaks.
"""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from resift.documents.tables import Row, json_rows, table_rows
from resift.errors import InputError

if TYPE_CHECKING:
    from _csv import Reader

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "txt"}
STDIN = "-"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class BadLines:
    """What happens to lines that cannot be used: an error, or, when asked, they are left out and counted."""

    def __init__(self, source: str, *, skip: bool = False) -> None:
        self.name = shown_name(source)
        self._skip = skip
        self.skipped: list[str] = []

    def report(self, line: int, problem: str) -> None:
        """Raise an error that names the line, or count it."""
        message = f"{self.name}, line {line}: {problem}"
        if not self._skip:
            raise InputError(message, hint="correct the line, or leave bad lines out with --skip-bad")
        self.skipped.append(message)


def shown_name(source: str) -> str:
    """Return what messages call a file."""
    return "standard input" if source == STDIN else source


def choose_format(source: str, given: str | None, *, stdin: str) -> str:
    """Return the format of a file: as given, or by the ending of its name; standard input has none."""
    if given is not None:
        return given
    if source == STDIN:
        return stdin
    ending = Path(source).suffix.lower()
    if ending not in FORMATS:
        raise InputError(
            f"{source}: the ending {ending!r} is none of {', '.join(FORMATS)}", hint="name it: --input-format jsonl"
        )
    return FORMATS[ending]


def read_rows(source: str, kind: str, *, bad: BadLines, columns: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Read the rows of a file; blank lines are none.

    CSV and TSV rows are mappings: by the header line or, for files without one, by `columns`.
    """
    text = _decode(_read_bytes(source), shown_name(source))
    if kind == "jsonl":
        return json_rows(_lines(text), bad.report)
    if kind == "csv":
        return _table(csv.reader(io.StringIO(text, newline=""), strict=True), bad, columns)
    if kind == "tsv":
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
        return _table(lines, bad, columns)
    return (Row(number, line) for number, line in _lines(text))


def _read_bytes(source: str) -> bytes:
    try:
        if source == STDIN:
            return sys.stdin.buffer.read()
        return Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{shown_name(source)}: {error.strerror or error}") from error


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}, line {line}: not {encoding.upper().removesuffix('-SIG')} text (byte {error.start})",
            hint="convert the file, for example: iconv -f GB18030 -t UTF-8",
        ) from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them: other separators of Unicode, such as U+2028, may stand inside a text."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.removesuffix("\r")
        if stripped.strip():
            yield number, stripped


def _table(cells: Reader, bad: BadLines, columns: tuple[str, ...] | None) -> Iterator[Row]:
    for line, row in table_rows(cells, bad.report, name=bad.name, columns=columns):
        yield Row(line, row)

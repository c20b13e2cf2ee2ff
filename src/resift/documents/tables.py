"""Files of rows, read row by row: JSON Lines, JSON arrays, CSV and TSV, compressed or not.

The functions that take lines or a stream know no files, so that standard input can be read by them, too.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, cast

from resift.documents.cells import as_cell
from resift.documents.encodings import choose_encoding, not_in
from resift.documents.limits import MOST_TEXT
from resift.errors import InputError

if TYPE_CHECKING:
    from _csv import Reader

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"}
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_SAMPLE = 1 << 20
_SPACE = re.compile(r"\s*")
BadRow: TypeAlias = Callable[[int, str], None]
"""Told the line and what is wrong with it; raises, or lets the reader go on without the row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file.

    Attributes:
        line: the line where it begins or, in CSV, ends; from 1. Of a JSON array: the element, from 1.
        value: a mapping of columns, or any JSON value.
    """

    line: int
    value: object


def table_kind(path: Path) -> str | None:
    """Return how the rows of a file are written, by its ending and beside that of a compression; None for others."""
    inner = path.with_suffix("") if path.suffix.lower() in _OPENERS else path
    return KINDS.get(inner.suffix.lower())


def read_table(path: Path, name: str, *, kind: str, bad: BadRow, encoding: str | None = None) -> Iterator[Row]:
    """Yield the rows of a file, one at a time in memory; raises InputError where none can be read any more.

    Rows of CSV and TSV are mappings, with plain numbers as numbers and empty cells as None.
    """
    with _open(path, name, encoding) as (stream, codec):
        if kind == "json":
            with _as_text(stream, codec) as text:
                yield from _values(text, name)
            return
        lines = _decoded(stream, codec, name)
        if kind == "jsonl":
            yield from json_rows(((place, line) for place, line in enumerate(lines, start=1) if line.strip()), bad)
            return
        for line, cells in _table(lines, kind, name, bad):
            yield Row(line, {column: as_cell(cell) for column, cell in cells.items()})


def json_rows(lines: Iterable[tuple[int, str]], bad: BadRow) -> Iterator[Row]:
    """Yield the value of each line that is JSON."""
    for place, line in lines:
        try:
            yield Row(place, json.loads(line))
        except ValueError as error:
            bad(place, f"not JSON: {error}")
        except RecursionError:
            bad(place, "not usable JSON: nested too deeply")


def table_rows(
    cells: Reader, bad: BadRow, *, name: str, columns: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows as mappings: by the header line or, for files without one, by `columns`."""
    header = list(columns) if columns is not None else None
    while (row := _next(cells, name)) is not None:
        if not row:
            continue
        if header is None:
            header = row
            if len(set(header)) < len(header):
                raise InputError(f"{name}: the header names a column twice: {', '.join(header)}")
        elif len(row) == len(header):
            yield cells.line_num, dict(zip(header, row, strict=True))
        else:
            bad(cells.line_num, f"{len(row)} columns, expected {len(header)}: {', '.join(header)}")


def _next(cells: Reader, name: str) -> list[str] | None:
    # Subtle: the limit, by default 128 KiB, is one for all readers of the process; it is raised while a row is read.
    previous = csv.field_size_limit(MOST_TEXT)
    try:
        return next(cells, None)
    except csv.Error as error:
        raise InputError(f"{name}, line {cells.line_num}: {error}", hint="is a quote not closed?") from error
    finally:
        csv.field_size_limit(previous)


def _table(lines: Iterator[str], kind: str, name: str, bad: BadRow) -> Iterator[tuple[int, dict[str, str]]]:
    first = next(lines, "")
    columns = None
    if kind == "tsv" or (first.count("\t") > first.count(",") and '"' not in first):
        found = first.rstrip("\r\n").split("\t")
        if len(found) == 2 and found[0].isdecimal():  # as MS MARCO is written: no header
            columns = ("id", "text")
        # TSV has no quoting, so its fields hold neither tabs nor line breaks.
        cells = csv.reader(chain([first], lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        delimiter = ";" if first.count(";") > first.count(",") else ","  # as spreadsheets write where 1,5 is a number
        cells = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    return table_rows(cells, bad, name=name, columns=columns)


@contextmanager
def _open(path: Path, name: str, encoding: str | None) -> Iterator[tuple[io.BufferedReader, str]]:
    """Open a file, unpacked, and say how its text is encoded."""
    opener = _OPENERS.get(path.suffix.lower(), open)
    try:
        with opener(path, "rb") as raw:
            stream = cast("io.BufferedReader", raw)
            if encoding is None:
                sample = stream.read(_SAMPLE)
                encoding = choose_encoding(sample, name, whole=len(sample) < _SAMPLE)
                stream.seek(0)
            yield stream, encoding
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name}: the compressed file is damaged or cut short: {error}") from error
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error


@contextmanager
def _as_text(stream: io.BufferedReader, codec: str) -> Iterator[TextIO]:
    text = io.TextIOWrapper(stream, codec, newline="\n")
    try:
        yield text
    finally:
        text.detach()  # whoever opened the stream closes it


def _decoded(stream: io.BufferedReader, codec: str, name: str) -> Iterator[str]:
    """Yield the lines, split as editors count them: other separators of Unicode may stand inside a text."""
    if codec.startswith(("utf-16", "utf-32")):
        with _as_text(stream, codec) as text:
            yield from text
        return
    place = 0
    # In none of the other encodings is the byte of a line feed a part of a character.
    while line := stream.readline(MOST_TEXT):
        place += 1
        if len(line) == MOST_TEXT:
            raise InputError(f"{name}, line {place}: longer than {MOST_TEXT >> 20} MiB", hint="is it JSON Lines?")
        try:
            yield line.decode("utf-8" if codec == "utf-8-sig" and place > 1 else codec)
        except UnicodeDecodeError as error:
            raise not_in(codec, name, place) from error


def _values(stream: TextIO, name: str) -> Iterator[Row]:
    """Yield the elements of a JSON array, or the values of a file that holds one after the other."""
    source = _Json(stream, name)
    is_array = source.peek() == "["
    if is_array:
        source.skip()
    count = 0
    while (following := source.peek()) and not (is_array and following == "]"):
        count += 1
        yield Row(count, source.value(count))
        if is_array and source.peek() == ",":
            source.skip()
        elif is_array and source.peek() not in {"]", ""}:
            raise InputError(f"{name}, element {count}: no comma behind it")
    if is_array and not following:
        raise InputError(f"{name}: the array does not end behind element {count}", hint="is the file cut short?")


class _Json:
    """A stream of JSON values, of which a part is in memory."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._place = 0

    def peek(self) -> str:
        """Return the next character that is no white space; an empty text at the end."""
        while True:
            self._place = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text) or not self._fill():
                return self._text[self._place : self._place + 1]

    def skip(self) -> None:
        """Go on behind the character that `peek` returned."""
        self._place += 1

    def value(self, number: int) -> object:
        """Return the value that begins here; raises InputError, which names its number, where there is none."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except ValueError as error:
                if self._fill():  # perhaps it goes on
                    continue
                raise InputError(f"{self._name}, element {number}: not JSON: {error}") from error
            except RecursionError as error:
                raise InputError(f"{self._name}, element {number}: nested too deeply") from error
            if end < len(self._text) or not self._fill():
                self._place = end
                return value

    def _fill(self) -> bool:
        """Read as much again as is in memory; return whether there was anything."""
        if len(self._text) - self._place > MOST_TEXT:
            raise InputError(f"{self._name}: an element is longer than {MOST_TEXT >> 20} MiB, or no JSON")
        try:
            more = self._stream.read(max(_SAMPLE, len(self._text) - self._place))
        except UnicodeDecodeError as error:
            raise InputError(f"{self._name}: not {error.encoding.upper()} text") from error
        self._text = self._text[self._place :] + more
        self._place = 0
        return bool(more)

"""Log files as rows with their place: JSON Lines, CSV and TSV, gzipped or not, and Parquet."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

from resift.errors import InputError, MissingExtra

_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_MILLISECONDS = 1e11
"""Unix times above this are milliseconds: as seconds they would be after the year 5000."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it stands, and its columns.

    Attributes:
        place: "clicks.jsonl, line 7", for messages.
        values: None, texts, numbers and times as the format has them.
        columns: the caller's own name of each column that goes by another name there.
    """

    place: str
    values: Mapping[str, Any]
    columns: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a column as text that is not empty; raises InputError."""
        value = self.optional_text(name)
        if value is None:
            had = ", ".join(self.values) or "none"
            raise self.error(f"{self._shown(name)} is missing or empty; the columns are: {had}")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a column as text, or None where it is missing or empty; whole numbers are texts too."""
        value = self._value(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.error(f"{self._shown(name)} is {value!r}: expected a text or a whole number")
        return str(value)

    def number(self, name: str) -> float | None:
        """Return a column as a finite number, or None where it is missing or empty."""
        value = self._value(name)
        if value is None or value == "":
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"{self._shown(name)} is {value!r}: expected a number")
        return number

    def time(self) -> float | None:
        """Return `time` in Unix seconds, or None: ISO 8601 (UTC where no offset is given), or Unix time."""
        value = self._value("time")
        if value is None or value == "":
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                try:
                    value = datetime.fromisoformat(value.strip())
                except ValueError:
                    value = None
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.error(f"{self._shown('time')} is {self._value('time')!r}: expected ISO 8601 or Unix seconds")
        return value / 1000 if abs(value) > _MILLISECONDS else float(value)

    def error(self, problem: str) -> InputError:
        """Return the error that names this row."""
        return InputError(f"{self.place}: {problem}", hint="--columns user=uid names your own columns; --skip-bad")

    def _value(self, name: str) -> Any:
        return self.values.get(self.columns.get(name, name))

    def _shown(self, name: str) -> str:
        return f"the column {self.columns.get(name, name)!r}"


def read_rows(file: Path, columns: Mapping[str, str]) -> Iterator[Row | InputError]:
    """Yield the rows of a file in order, and an InputError in the place of a line that is none.

    Raises InputError for a file that cannot be read at all, and MissingExtra for Parquet without pyarrow.
    """
    endings = [ending.lower() for ending in file.suffixes]
    zipped = endings[-1:] == [".gz"]
    kind = _FORMATS.get("".join(endings[-2:-1] if zipped else endings[-1:]))
    if kind is None or (zipped and kind == "parquet"):
        raise InputError(f"{file}: expected a name that ends in {', '.join(_FORMATS)}, or .jsonl.gz, .csv.gz, .tsv.gz")
    try:
        if kind == "parquet":
            yield from _parquet(file, columns)
            return
        breaks = "\n" if kind == "jsonl" else ""
        with _open(file, breaks, zipped=zipped) as text:
            yield from _lines(text, file.name, columns) if kind == "jsonl" else _table(text, file.name, kind, columns)
    except (OSError, EOFError) as error:  # EOFError: a gzip file that was cut
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text: {error}", hint="convert it: iconv -f GB18030 -t UTF-8") from error


def _open(file: Path, breaks: str, *, zipped: bool) -> IO[str]:
    if zipped:
        return gzip.open(file, "rt", encoding="utf-8-sig", newline=breaks)
    return file.open(encoding="utf-8-sig", newline=breaks)


def _lines(lines: IO[str], name: str, columns: Mapping[str, str]) -> Iterator[Row | InputError]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        place = f"{name}, line {number}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield InputError(f"{place}: not JSON: {error}", hint="a log that was cut while written? --skip-bad")
            continue
        if isinstance(value, dict):
            yield Row(place, value, columns)
        else:
            yield InputError(f'{place}: expected an object, such as {{"user": "u1"}}', hint="--skip-bad")


def _table(text: IO[str], name: str, kind: str, columns: Mapping[str, str]) -> Iterator[Row | InputError]:
    reader = (
        csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE) if kind == "tsv" else csv.reader(text, strict=True)
    )
    header: list[str] | None = None
    try:
        for cells in reader:
            place = f"{name}, line {reader.line_num}"
            if not cells:
                continue
            if header is None:
                header = cells
                if len(set(header)) < len(header):
                    raise InputError(f"{place}: the header names a column twice: {', '.join(header)}")
            elif len(cells) == len(header):
                yield Row(place, dict(zip(header, cells, strict=True)), columns)
            else:
                problem = f"{place}: {len(cells)} columns, expected {len(header)}: {', '.join(header)}"
                yield InputError(problem, hint="--skip-bad leaves such lines out, and counts them")
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}", hint="is a quote not closed?") from error


def _parquet(file: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtra(f"{file.name}: reading Parquet", extra="parquet") from error
    try:
        with ParquetFile(file) as opened:
            number = 0
            for batch in opened.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{file.name}, row {number}", values, columns)
    except ArrowException as error:
        raise InputError(f"{file}: not a Parquet file that can be read: {error}") from error

"""Files of datasets, compressed or not, line by line; every error names the file and the line."""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from resift.errors import InputError

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
COMPRESSIONS = ("", *_OPENERS)
_DAMAGE = (EOFError, lzma.LZMAError, zlib.error)


def problem(file: Path, line: int | None, what: str, *, hint: str | None = None) -> InputError:
    """Return the error to raise about a line, or, without one, about the whole file."""
    return InputError(f"{file}: {what}" if line is None else f"{file}, line {line}: {what}", hint=hint)


def find(folder: Path, *names: str) -> Path | None:
    """Return the first of these files that is in the folder, compressed or not."""
    for name in names:
        for ending in COMPRESSIONS:
            file = folder / f"{name}{ending}"
            if file.is_file():
                return file
    return None


def bare_name(file: Path) -> str:
    """Return a file's name without the endings that say how it is written: `docs.jsonl.gz` is `docs`."""
    path = file if file.suffix not in _OPENERS else file.with_suffix("")
    return path.with_suffix("").name if path.suffix in {".json", ".jsonl", ".tsv", ".txt", ".parquet"} else path.name


def ending(file: Path) -> str:
    """Return a file's ending beside that of its compression: `.jsonl` of `docs.jsonl.gz`."""
    return (file if file.suffix not in _OPENERS else file.with_suffix("")).suffix.lower()


def read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) for every line that is not blank; UTF-8, with or without a byte order mark."""
    number = 0
    try:
        with cast("IO[bytes]", _OPENERS.get(file.suffix, open)(file, "rb")) as stream:
            for number, raw in enumerate(stream, start=1):
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        raise problem(file, number, f"not UTF-8 text (byte {error.start} of the line)") from error
    except _DAMAGE as error:
        raise problem(file, number + 1, f"the compressed file is damaged or cut short: {error}") from error
    except OSError as error:
        raise problem(file, None, error.strerror or str(error)) from error


def read_json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for every line of a JSON Lines file."""
    for number, text in read_lines(file):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise problem(file, number, f"not JSON: {error}") from error
        if not isinstance(value, dict):
            raise problem(file, number, f"expected an object with fields, found {type(value).__name__}")
        yield number, value


def read_json(file: Path) -> Any:
    """Return what a JSON file holds."""
    text = "\n".join(line for _, line in read_lines(file))
    try:
        return json.loads(text)
    except ValueError as error:
        raise problem(file, None, f"not JSON: {error}") from error


def text_field(file: Path, number: int, row: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that the row has, as text; raises InputError when it has none."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
    there = ", ".join(row) or "none"
    raise problem(file, number, f"no text in the field {' or '.join(map(repr, names))}; the fields are: {there}")

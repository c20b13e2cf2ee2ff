"""Everything that the command line writes: data to stdout, everything else to stderr.

No document can break the terminal or the stream: control characters are shown, not sent, and what the stream's
encoding cannot hold is escaped.
"""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console


def prepare_streams() -> None:
    """Let stdout and stderr escape the characters that their encoding cannot hold."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write a line of data."""
    sys.stdout.write(text + "\n")


def write_json(value: object, *, indent: int | None = None) -> None:
    """Write a value as JSON; on one line unless indented."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # lone surrogates, or a stream that is not UTF-8: JSON's own escapes
        text = json.dumps(value, indent=indent, default=str)
    write(text)


def note(text: str) -> None:
    """Write a line for the person who watches."""
    sys.stderr.write(text + "\n")


def report(message: str, *, hint: str | None = None) -> None:
    """Write an error and what to do about it."""
    note(f"error: {printable(message)}")
    if hint:
        note(f"hint: {hint}")


def show_warning(  # noqa: PLR0917
    message: Warning | str,
    category: type[Warning],
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Write a Python warning as one `warning:` line (the signature is `warnings.showwarning`'s)."""
    note(f"warning: {printable(str(message) or category.__name__)}")


def wants_progress() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()


@contextmanager
def progress(total: int, *, label: str, unit: str = "pair") -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a bar on stderr to a number of units; no bar for quick work or in a pipe."""
    if not wants_progress():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=label, unit=unit, leave=False, delay=0.5) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


def console(*, no_color: bool = False) -> Console:
    """Return a rich console on stdout; it honours NO_COLOR and COLUMNS, and colours only terminals."""
    from rich.console import Console

    stream = sys.stdout if sys.stdout.isatty() else cast("TextIO", _Trimmed(sys.stdout))
    return Console(file=stream, no_color=True if no_color else None, highlight=False, emoji=False, markup=False)


class _Trimmed:
    """Drops the spaces with which rich fills every line of a table up: no file needs them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False


def size(count: int) -> str:
    """Return a number of bytes for people: 8.4 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def printable(text: str, *, limit: int | None = None) -> str:
    """Return the text on one line, its control characters replaced, cut after `limit` characters."""
    if limit is not None and len(text) > 4 * limit:  # a long document is not walked to its end to show its beginning
        text = text[: 4 * limit]
    line = " ".join(text.split())
    line = "".join("\N{REPLACEMENT CHARACTER}" if _is_control(character) else character for character in line)
    if limit is not None and len(line) > limit:
        return line[: limit - 1] + "…"
    return line


def printable_line(text: str) -> str:
    """Return a line with its control characters replaced and its spaces as they are."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(character) else character for character in text)


def printable_lines(text: str) -> str:
    """Return a text with its line breaks, its other control characters replaced."""
    return "\n".join(printable_line(line.expandtabs(4)) for line in text.splitlines())


_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _is_control(character: str) -> bool:
    """Escape codes and bidi overrides: what could redraw or reverse the rest of the line."""
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI_CONTROLS

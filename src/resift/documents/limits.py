"""How large a file may be: what is larger is no document, or made to fill the memory."""

from pathlib import Path

from resift.errors import InputError

MOST_TEXT = 64 << 20
"""Bytes of a file that is one document of text, or of one row."""
MOST_MARKUP = 16 << 20
"""Bytes of a page of HTML or Markdown, or of an office document's XML: its tree needs fifty times as much."""
MOST_TAGS = 1_000_000
"""In a page of HTML: each needs about a kilobyte."""
MOST_PDF = 1 << 30
MOST_PAGES = 20_000
LONGEST_HEADING = 300
"""Characters; a longer line is a paragraph."""


def read_bytes(path: Path, *, most: int, name: str) -> bytes:
    """Return a file's bytes; raises InputError when there are more than `most`, or it cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    if len(data) > most:
        raise InputError(f"{name}: larger than {most >> 20} MiB", hint="split it, or convert it to JSON Lines")
    return data

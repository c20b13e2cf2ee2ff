"""The files of a folder, in the order of their names, each once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from resift.errors import InputError

OnSkip: TypeAlias = Callable[[str, str], None]
"""Told the path of what is left out, and why."""
OnError: TypeAlias = Callable[[InputError], None]

_GENERATED = frozenset({"node_modules", "__pycache__"})


def walk(folder: Path, *, on_skip: OnSkip, on_error: OnError) -> Iterator[tuple[Path, str]]:
    """Yield (path, path within the folder with `/`) of every file that is not hidden.

    Links are followed, but a folder that was read is not read again, so that loops end.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [(folder, "")]
    while waiting:
        path, within = waiting.pop()
        try:
            status = path.stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            on_error(InputError(f"{path}: {error.strerror or error}"))
            continue
        if (status.st_dev, status.st_ino) in seen:
            on_skip(str(path), "link")
            continue
        seen.add((status.st_dev, status.st_ino))
        below = []
        for entry in entries:
            name = f"{within}{entry.name}"
            if entry.name.startswith((".", "~$")) or entry.name in _GENERATED:
                on_skip(entry.path, "hidden")
                continue
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:  # a link to itself, or into a folder that may not be read
                is_folder = is_file = False
            if is_folder:
                below.append((Path(entry.path), f"{name}/"))
            elif is_file:
                yield Path(entry.path), name
            else:
                on_skip(entry.path, "link" if entry.is_symlink() else "no file")
        waiting.extend(reversed(below))

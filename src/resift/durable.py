"""Files that are whole or not there, whatever ends the process or the machine."""

import os
from pathlib import Path


def write_durably(file: Path, text: str) -> None:
    """Write a text file in one step: it holds the old text or all of the new one, and the new one when this returns."""
    made = file.with_name(f"{file.name}.new")
    with made.open("wb") as stream:
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())
    made.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows cannot, and does it by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""A folder for each model that peers convert: links to its files, and beside them what the peers make of it."""

import hashlib
import os
import shutil
from pathlib import Path


def default_root() -> Path:
    """Return where converted models are kept between runs."""
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(caches) / "resift" / "bench"


def stage(folder: Path, root: Path) -> Path:
    """Link the files of the model in `folder` into a folder under `root` that belongs to this model alone."""
    target = root / _key(folder)
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.iterdir()):
        link = target / file.name
        if file.is_file() and not link.exists():
            _link(file.resolve(), link)
    return target


def _key(folder: Path) -> str:
    """Return a name that changes when the model does."""
    found = hashlib.sha256(str(folder.resolve()).encode())
    for file in sorted(folder.iterdir()):
        if file.is_file():
            facts = file.stat()
            found.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return f"{folder.name}-{found.hexdigest()[:12]}"


def _link(file: Path, link: Path) -> None:
    link.unlink(missing_ok=True)  # one that leads nowhere any more
    try:
        link.symlink_to(file)
    except OSError:  # Windows lets only some users make links
        shutil.copyfile(file, link)

"""What processes use: processor time and memory of a server with all its children, from /proc."""

import os
from pathlib import Path

_PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """Return the ids of a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        fields = _fields(int(entry.name))
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def processor_seconds(root: int) -> float:
    """Return the processor time of a process and its descendants, those that ended and were waited for included."""
    ticks = 0
    for process in tree(root):
        fields = _fields(process)
        if fields is not None:
            ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(process: int) -> float | None:
    """Return the memory that a process holds now, None when it is gone."""
    try:
        pages = int((_PROC / str(process) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def tree_mb(root: int) -> float:
    """Return the memory of a process and its descendants."""
    return sum(resident_mb(process) or 0.0 for process in tree(root))


def _fields(process: int) -> list[str] | None:
    """Return the fields of proc(5)'s `stat` after the name, which may hold anything; None when it is gone."""
    try:
        text = (_PROC / str(process) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()

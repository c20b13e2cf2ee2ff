"""What this machine offers, for `resift doctor`: every fact on its own, none of which may fail."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from resift import __version__

PACKAGES = ("numpy", "tokenizers", "huggingface-hub", "tqdm", "rich")
KERNEL_VARIABLE = "RESIFT_CPU_KERNEL"
_CGROUP = Path("/sys/fs/cgroup")


def versions() -> dict[str, str]:
    """Return the versions of resift, Python, the system and the packages that resift needs."""
    found = {"resift": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def processor() -> dict[str, object]:
    """Return the processor's name, what it can do, and the instruction sets that resift has kernels of it for.

    `kernels` are all of them, best first; `kernels_int8` and the like those of one precision.
    """
    facts: dict[str, object] = {"name": _processor_name(), "architecture": platform.machine()}
    try:
        from resift import _native
    except ImportError as error:
        return {**facts, "native": f"not built: {error}", "features": [], "kernels": []}
    features = [name for name, there in _native.cpu_features().items() if there]
    by_precision = {f"kernels_{p}": _native.available_kernels(p) for p in ("fp32", "bf16", "int8")}
    return {**facts, "native": "built", "features": features, "kernels": _native.instruction_sets(), **by_precision}


def threads(environment: Mapping[str, str]) -> dict[str, object]:
    """Return how many processors there are, how many we may use, and how many threads resift takes."""
    facts: dict[str, object] = {
        "processors": os.cpu_count(),
        "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cgroup_quota": None,
        "default": None,
        "forced_kernel": environment.get(KERNEL_VARIABLE) or None,
    }
    try:
        from resift import _native
    except ImportError:
        return facts
    membership = _read(Path("/proc/self/cgroup"))
    quota = _native.cgroup_cpus(membership, str(_CGROUP)) if membership else None
    return {**facts, "cgroup_quota": quota, "default": _native.default_threads()}


def memory() -> dict[str, int | None]:
    """Return the machine's and the control group's memory in bytes; None where it cannot be known."""
    lines = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    limit = _read(_CGROUP / "memory.max").strip()
    return {
        "total": _kilobytes(lines.get("MemTotal")),
        "available": _kilobytes(lines.get("MemAvailable")),
        "cgroup_limit": int(limit) if limit.isdigit() else None,
    }


def cache(cache_dir: Path | None) -> dict[str, object]:
    """Return the folder of downloaded models, whether it can be written, and the disk's free bytes."""
    from huggingface_hub import constants

    from resift.loading.hub import Hub

    folder = Hub(cache_dir=cache_dir).folder()
    nearest = next((parent for parent in (folder, *folder.parents) if parent.exists()), None)
    return {
        "folder": str(folder),
        "exists": folder.is_dir(),
        "writable": nearest is not None and os.access(nearest, os.W_OK),
        "free": shutil.disk_usage(nearest).free if nearest is not None else None,
        "offline": bool(constants.HF_HUB_OFFLINE),
    }


def _processor_name() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.processor() or "unknown"


def _kilobytes(text: str | None) -> int | None:
    return int(text.split()[0]) * 1024 if text is not None else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

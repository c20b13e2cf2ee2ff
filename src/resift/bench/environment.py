"""What a measurement ran on, and who else used the processor meanwhile."""

import importlib
import importlib.util
import os
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_FEATURES = (
    "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
_V1_NO_LIMIT = -1


@dataclass(frozen=True)
class Clock:
    """A moment, in seconds: wall time, and processor time since the machine (or process) started.

    Attributes:
        wall: of a monotonic clock.
        own: used by this process, all threads.
        busy: used by the whole machine, None where it does not say.
        steal: taken from this virtual machine by its host, None where it does not say.
    """

    wall: float
    own: float
    busy: float | None
    steal: float | None


@dataclass(frozen=True)
class Disturbance:
    """Who else used the processor during a measurement, as shares of all cores.

    Attributes:
        foreign: other processes; None where the machine does not say.
        steal: the host of this virtual machine; None where the machine does not say.
    """

    foreign: float | None
    steal: float | None


def clock() -> Clock:
    """Read all clocks."""
    busy = steal = None
    stat = Path("/proc/stat")
    if stat.exists():
        # proc(5): user nice system idle iowait irq softirq steal; guest time is part of user time.
        ticks = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / per_second
        steal = ticks[7] / per_second
    return Clock(time.perf_counter(), time.process_time(), busy, steal)


def disturbance(start: Clock, end: Clock, *, cores: int | None = None) -> Disturbance:
    """Return what others took of `cores` (None: all of the machine's) between two moments."""
    if start.busy is None or end.busy is None or start.steal is None or end.steal is None:
        return Disturbance(None, None)
    capacity = (end.wall - start.wall) * (cores if cores is not None else os.cpu_count() or 1)
    foreign = (end.busy - start.busy) - (end.own - start.own)
    return Disturbance(max(foreign, 0.0) / capacity, max(end.steal - start.steal, 0.0) / capacity)


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, within the quota of its control group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def one_a_core(cpus: Sequence[int], root: Path = Path("/sys/devices/system/cpu")) -> list[int]:
    """Return the CPUs in an order that takes one of each physical core before it takes a second."""
    seen: Counter[str] = Counter()
    turns = []
    for cpu in cpus:
        file = root / f"cpu{cpu}/topology/thread_siblings_list"
        core = file.read_text() if file.exists() else str(cpu)
        turns.append((seen[core], cpu))
        seen[core] += 1
    return [cpu for _, cpu in sorted(turns)]


def cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the cores that the control group grants, None without a limit (versions 2 and 1)."""
    version_2 = root / "cpu.max"
    if version_2.exists():
        limit, period = version_2.read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    limit_1, period_1 = root / "cpu/cpu.cfs_quota_us", root / "cpu/cpu.cfs_period_us"
    if limit_1.exists() and period_1.exists():
        microseconds = int(limit_1.read_text())
        return None if microseconds == _V1_NO_LIMIT else microseconds / int(period_1.read_text())
    return None


def memory() -> dict[str, int]:
    """Return the machine's total and available memory in MB; empty where it does not say."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return {}
    fields = dict(line.split(":", 1) for line in info.read_text().splitlines())
    names = {"total_mb": "MemTotal", "available_mb": "MemAvailable"}
    return {ours: int(fields[theirs].split()[0]) // 1024 for ours, theirs in names.items()}


def peak_memory_mb() -> float | None:
    """Return the most memory that this process held: mapped files that were read are part of it."""
    # Subtle: ru_maxrss would start from what the parent held when it forked.
    held = _status_mb("VmHWM")
    if (
        held is None and importlib.util.find_spec("resource") is not None
    ):  # macOS counts bytes; Windows has no such module
        import resource

        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return held


def resident_memory_mb() -> float | None:
    """Return the memory that this process holds now, mapped files included; None where the machine does not say."""
    return _status_mb("VmRSS")


def _status_mb(field: str) -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Return the installed version of each package, None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            # A package that runs from its source tree has no metadata.
            here = importlib.util.find_spec(package) is not None
            found[package] = getattr(importlib.import_module(package), "__version__", None) if here else None
    return found


def record() -> dict[str, object]:
    """Return what a reader needs to judge the figures."""
    model, flags = _processor()
    return {
        "processor": model,
        "features": [name for name in _FEATURES if name in flags],
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "cgroup_quota": cgroup_quota(),
        **memory(),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> tuple[str, set[str]]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine(), set()
    fields: dict[str, str] = {}
    for line in info.read_text().splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return fields.get("model name", platform.machine()), flags

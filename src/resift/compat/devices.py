"""Devices as other libraries name them: what is not here is told, and the CPU used in its place."""

import warnings
from collections.abc import Sequence
from typing import TypeAlias

from resift.errors import ResiftWarning

Devices: TypeAlias = str | int | Sequence[str] | Sequence[int]
"""`cpu`, `cuda:0`, a number (of a GPU), or a list of these."""

_HERE = ("cpu", "auto")


def tell_absent(devices: Devices | None, *, also: Sequence[str] = (), stacklevel: int) -> None:
    """Warn, once, of devices that are not available and of whatever else (`also`) is done in another way."""
    asked = [f"device {name!r} is not available" for name in _names(devices) if name not in _HERE]
    if asked or also:
        warnings.warn(f"{'; '.join([*asked, *also])}: scoring on the CPU", ResiftWarning, stacklevel=stacklevel)


def _names(devices: Devices | None) -> list[str]:
    if devices is None:
        return []
    if isinstance(devices, str | int):
        devices = [str(devices)]
    return [f"cuda:{name}" if str(name).isdigit() else str(name) for name in devices]

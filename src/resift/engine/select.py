"""Which backend, on which device, at which precision: one table."""

from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from resift.engine.engine import Backend
from resift.errors import DeviceError
from resift.types import ModelSpec, Precision


def _native(spec: ModelSpec, tensors: Mapping[str, np.ndarray], threads: int | None, precision: Precision) -> Backend:
    from resift.engine.backends.native import NativeBackend

    return NativeBackend(spec, tensors, threads=threads, precision=precision)


def _reference(
    spec: ModelSpec,
    tensors: Mapping[str, np.ndarray],
    threads: int | None,  # noqa: ARG001
    precision: Precision,
) -> Backend:
    from resift.engine.backends.reference import ReferenceBackend

    return ReferenceBackend(spec, tensors, precision=precision)


_MOST_THREADS = 1024  # the native engine's own bound

_Make = Callable[[ModelSpec, Mapping[str, np.ndarray], int | None, Precision], Backend]
# Maker, device, precisions that it makes of plain weights; the first is the default.
_BACKENDS: dict[str, tuple[_Make, str, tuple[Precision, ...]]] = {
    "native": (_native, "cpu", ("fp32", "bf16", "int8")),
    "reference": (_reference, "cpu", ("fp32",)),
}


def make_backend(
    spec: ModelSpec,
    tensors: Mapping[str, np.ndarray],
    *,
    backend: str | None,
    device: str | None,
    precision: str | None,
    threads: int | None,
    stored: Precision | None = None,
) -> Backend:
    """Build the backend; raises DeviceError when this machine or version does not have what is asked for.

    `stored` is the precision of a quantised folder's weights: it has no other.
    """
    name = backend if backend is not None else "native"
    if name not in _BACKENDS:
        raise DeviceError(f"there is no backend {name!r}", hint=f"choose one of {', '.join(_BACKENDS)}")
    make, runs_on, precisions = _BACKENDS[name]
    if device is not None and device not in (runs_on, "auto"):
        raise DeviceError(
            f"the backend {name!r} runs on {runs_on!r}, not on {device!r}", hint="leave device out, or pass 'cpu'"
        )
    if stored is not None and precision not in (None, stored):
        raise DeviceError(
            f"precision {precision!r} is asked for, but the model's weights are stored as {stored}",
            hint=f"leave precision out, or give the model that was quantised; {stored} weights cannot become others",
        )
    if stored is None and precision is not None and precision not in precisions:
        known = "not a precision" if precision not in get_args(Precision) else f"not offered by the backend {name!r}"
        raise DeviceError(
            f"precision {precision!r} is {known}", hint=f"choose one of {', '.join(precisions)}, or leave it out"
        )
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise DeviceError(
            f"threads is {threads}, expected 1 to {_MOST_THREADS}", hint="leave it out for all cores of this machine"
        )
    chosen = next((known for known in precisions if known == precision), precisions[0])
    return make(spec, tensors, threads, stored if stored is not None else chosen)

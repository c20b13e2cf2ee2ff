"""Checks of stored tensors that every kind of folder shares."""

from collections.abc import Collection, Sequence

import numpy as np

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.safetensors import StoredTensor

PLAIN = ("F32", "F16", "BF16")
"""The dtypes that a plain weight may have."""
_LISTED = 20
"""Names that a message lists before it counts the rest."""
_CHUNK = 1 << 20
"""Values that the check for NaN looks at in one go: what fits in a core's cache."""
_EXPONENT = {"F16": (np.uint16, 0x7C00), "BF16": (np.uint16, 0x7F80), "F32": (np.uint32, 0x7F800000)}
"""The bits of the exponent: all set in an infinity or NaN and in no other value (IEEE 754)."""


def name_problems(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """Say which tensors are missing and which are unexpected; empty when neither."""
    parts = [("missing", missing), ("unexpected", unexpected)]
    return "; ".join(f"{what}: {_listed(found)}" for what, found in parts if found)


def check_tensor(tensor: StoredTensor, shape: tuple[int, ...], dtypes: Collection[str] = PLAIN) -> None:
    """Check a tensor's shape and dtype. Raises ModelLayoutError or, for the dtype, UnsupportedModel."""
    if tensor.shape != shape:
        raise ModelLayoutError(
            f"{tensor.file}: tensor {tensor.name!r} has the shape {list(tensor.shape)}, "
            f"config.json asks for {list(shape)}"
        )
    if tensor.dtype not in dtypes:
        raise UnsupportedModel(
            f"{tensor.file}: tensor {tensor.name!r} is stored as {tensor.dtype}",
            hint=f"resift reads {', '.join(dtypes)}",
        )


def check_finite(tensor: StoredTensor) -> None:
    """Raise ModelLayoutError when a tensor of floats holds a NaN or an infinity."""
    dtype, mask = _EXPONENT[tensor.dtype]
    bits = tensor.array().reshape(-1).view(dtype)
    exponent = dtype(mask)
    for start in range(0, len(bits), _CHUNK):
        if (bits[start : start + _CHUNK] & exponent).max() == exponent:
            raise ModelLayoutError(
                f"{tensor.file}: tensor {tensor.name!r} holds a NaN or an infinity",
                hint="the file is damaged or training diverged: use another copy of the model",
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"

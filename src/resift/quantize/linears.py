"""A linear in int8: which of the ways to round it loses least on real inputs.

Plain rounding is compared with subtracting each input channel's mean first (what is the same in every token needs no
bits then; Wei et al. 2023, "Outlier Suppression+", shift channels likewise) and with moving the range of wide channels
into the weights (Xiao et al. 2023, "SmoothQuant", with strength 1/2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resift.loading.quantised import Int8, round_rows, to_bf16, to_float32, to_panels
from resift.quantize.calibrate import Inputs
from resift.types import Float32

_WORTH = 0.95
"""An extra vector must bring the error down to this share of what it is without."""
_RANGE = 1e4
"""Smoothing changes no channel by more than this factor."""


@dataclass(frozen=True, slots=True)
class Int8Plan:
    """How a linear is rounded.

    Attributes:
        smooth, shift: vectors [inputs] for the linear's input, or None.
        error: of the outputs, relative to their size, measured on sample inputs.
    """

    smooth: Float32 | None
    shift: Float32 | None
    error: float


def matrix(tensors: Mapping[str, np.ndarray], name: str) -> tuple[Float32, Float32]:
    """Return the weights [outputs, inputs] and bias of a linear of a plain checkpoint; key and value as one."""
    if name.endswith(".key_value"):
        stem = name.removesuffix("key_value")
        parts = [matrix(tensors, f"{stem}{part}") for part in ("key", "value")]
        return np.concatenate([w for w, _ in parts]), np.concatenate([b for _, b in parts])
    return to_float32(tensors[f"{name}.weight"]), to_float32(tensors[f"{name}.bias"])


def plan_int8(weights: Float32, bias: Float32, inputs: Inputs) -> Int8Plan:
    """Return the way to round the linear that loses least on the sampled inputs; plain where the rest helps little."""
    sample, mean = inputs.sample, inputs.mean
    exact = sample @ weights.T + bias
    size = float(np.linalg.norm(exact)) or 1.0
    moved = np.maximum(mean - inputs.low, inputs.high - mean)
    best = Int8Plan(None, None, _lost(weights, bias, sample, exact, smooth=None, shift=None) / size)
    for smooth, shift in ((None, mean), (_smooth(weights, moved), mean)):
        error = _lost(weights, bias, sample, exact, smooth=smooth, shift=shift) / size
        if error < best.error * _WORTH:
            best = Int8Plan(smooth, shift, error)
    return best


def _lost(
    weights: Float32, bias: Float32, sample: Float32, exact: Float32, *, smooth: Float32 | None, shift: Float32 | None
) -> float:
    """Return the distance of the rounded linear's outputs from the `exact` ones."""
    rounded, scale, bias = _rounded(weights, bias, smooth=smooth, shift=shift)
    x = sample if shift is None else sample - shift
    tokens, token_scale = round_rows(x if smooth is None else x * smooth)
    # float32 is exact enough to choose by; the engines sum integers.
    sums = tokens.astype(np.float32) @ rounded.astype(np.float32).T
    return float(np.linalg.norm(sums * (token_scale[:, None] * scale) + bias - exact))


def int8_tensors(
    weights: Float32, bias: Float32, *, smooth: Float32 | None, shift: Float32 | None
) -> dict[str, np.ndarray]:
    """Return the linear's tensors by the last part of their names."""
    rounded, scale, bias = _rounded(weights, bias, smooth=smooth, shift=shift)
    sums = rounded.sum(axis=1, dtype=np.int32)
    vectors = {part: values for part, values in (("smooth", smooth), ("shift", shift)) if values is not None}
    return {"weight_int8": to_panels(rounded, "int8"), "scale": scale, "sums": sums, "bias": bias, **vectors}


def _rounded(
    weights: Float32, bias: Float32, *, smooth: Float32 | None, shift: Float32 | None
) -> tuple[Int8, Float32, Float32]:
    """Return the rounded weights, their scales, and the bias that makes up for the shift."""
    if shift is not None:
        bias = (bias + weights.astype(np.float64) @ shift.astype(np.float64)).astype(np.float32)
    rounded, scale = round_rows(weights if smooth is None else weights / smooth)
    return rounded, scale, bias


def bf16_tensors(weights: Float32, bias: Float32) -> dict[str, np.ndarray]:
    """Return the linear's tensors by the last part of their names."""
    return {"weight_bf16": to_panels(to_bf16(weights), "bf16"), "bias": bias}


def _smooth(weights: Float32, largest: Float32) -> Float32:
    """Return the factors of the input that give inputs and weights equal ranges, channel by channel."""
    widest = np.abs(weights).max(axis=0)
    used = (largest > 0) & (widest > 0)
    factors = np.sqrt(np.divide(widest, largest, out=np.ones_like(widest), where=used))
    factors /= np.exp(np.log(factors[used]).mean()) if used.any() else 1
    factors[~used] = 1
    limited: Float32 = np.clip(factors, 1 / _RANGE, _RANGE).astype(np.float32)
    return limited

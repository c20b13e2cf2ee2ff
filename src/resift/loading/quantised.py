"""How a folder of `resift quantize` stores its weights: names, shapes and packing of the tensors.

A linear of n outputs and k inputs is stored plain, or in panels of 32 outputs, the order in which the engine's kernels
read it: panel p, step s, output o, part i holds the weight [32 p + o, parts s + i], zero outside of the matrix; k is
rounded up to 64. A step has 4 parts of int8 or 2 of bfloat16.

    int8    L.weight_int8 [panels, steps, 32, 4], L.scale float32 [n], L.sums int32 [n] (of each output's int8 weights)
            L.smooth float32 [k] where it helps: the input is multiplied by it before it is rounded, the weights were
            divided by it. L.shift float32 [k] likewise: it is subtracted from the input before that, and what the
            weights make of it is in the bias.
    bf16    L.weight_bf16 [panels, steps, 32, 2]
    both    L.bias float32 [n]

An embedding table is stored plain, or in groups of neighbouring columns with a scale each: `T.int8` [rows, columns] or
`T.int4` uint8 [rows, columns / 2], with `T.scale` float16 or float32 [rows, groups]. A byte of int4 holds the even
column in its low half and the odd one in its high half, each plus 8. A scale may be negative.
"""

import numpy as np
import numpy.typing as npt

from resift.types import Float32

VERSION = 1
LAYOUT = "panels32"
PANEL = 32
"""Outputs of a panel."""
ALIGNED_INPUTS = 64
"""Inputs are filled up with zeros to a multiple of this."""
PARTS = {"int8": 4, "bf16": 2}
"""Weights of one output that lie side by side."""
TABLES = ("embeddings.word", "embeddings.position", "embeddings.type")

Int8 = npt.NDArray[np.int8]
_LEVELS = np.float32(127)


def panel_shape(outputs: int, inputs: int, form: str) -> tuple[int, int, int, int]:
    """Return the shape of a matrix in panels; `form` is `int8` or `bf16`."""
    parts = PARTS[form]
    steps = -(-inputs // ALIGNED_INPUTS) * ALIGNED_INPUTS // parts
    return -(-outputs // PANEL), steps, PANEL, parts


def to_panels(weights: np.ndarray, form: str) -> np.ndarray:
    """Lay a matrix [outputs, inputs] out in panels."""
    panels, steps, _, parts = panel_shape(weights.shape[0], weights.shape[1], form)
    padded = np.zeros((panels * PANEL, steps * parts), dtype=weights.dtype)
    padded[: weights.shape[0], : weights.shape[1]] = weights
    return np.ascontiguousarray(padded.reshape(panels, PANEL, steps, parts).transpose(0, 2, 1, 3))


def from_panels(panels: np.ndarray, outputs: int, inputs: int) -> np.ndarray:
    """Return the matrix [outputs, inputs] that lies in `panels`."""
    count, steps, _, parts = panels.shape
    return panels.transpose(0, 2, 1, 3).reshape(count * PANEL, steps * parts)[:outputs, :inputs]


def round_rows(values: Float32) -> tuple[Int8, Float32]:
    """Return each row as int8 and its scale: symmetric, the largest magnitude becomes 127, ties go to even.

    All in float32, so that every engine gets the same integers: weights once, activations token by token.
    """
    largest = np.abs(values).max(axis=-1, keepdims=True, initial=0).astype(np.float32)
    inverse = np.divide(_LEVELS, largest, out=np.zeros_like(largest), where=largest > 0)
    return np.rint(values * inverse).astype(np.int8), (largest / _LEVELS)[..., 0]


def to_bf16(values: Float32) -> npt.NDArray[np.uint16]:
    """Round float32 to the bits of bfloat16, to nearest, ties to even."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def to_float32(array: np.ndarray) -> Float32:
    """Widen float16 or bfloat16 bits (held as uint16) to float32; float32 comes back as it is."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False)


def to_nibbles(values: Int8) -> npt.NDArray[np.uint8]:
    """Pack values of -8 to 7 into half a byte each, along the last axis."""
    raised = (values + np.int8(8)).astype(np.uint8)
    return raised[..., 0::2] | (raised[..., 1::2] << np.uint8(4))


def from_nibbles(packed: npt.NDArray[np.uint8]) -> Int8:
    """Unpack what `to_nibbles` packed."""
    both = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
    return (both.astype(np.int8) - np.int8(8)).reshape(*packed.shape[:-1], -1)


def from_groups(values: Int8, scale: np.ndarray) -> Float32:
    """Return the rows that `values` [rows, columns] stand for; `scale` is [rows, groups]."""
    grouped = values.reshape(len(values), scale.shape[1], -1).astype(np.float32)
    return (grouped * scale.astype(np.float32)[:, :, None]).reshape(values.shape)

"""bfloat16 and int8 written down a second time: rounding, the stored formats, and products as the oracle takes them.

n outputs, k inputs, K is k rounded up to 64, P is n / 32 rounded up. int8: a scale for each output of the weights and
for each row of the input, exact integer sums. `stored` turns plain tensors into those of a quantised folder.
"""

import numpy as np

from tests.native.models import widened

PANEL = 32


def round_bf16(values):
    """To the nearest bfloat16, ties to even, as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def round_rows(values):
    """Each row to whole numbers from -127 to 127 (float32) and its scale, in float32; rows near 1e-36 become zeros."""
    values = np.asarray(values, np.float32)
    top = np.abs(values).max(-1)
    factor = np.where(top > 1e-35, np.float32(127) / np.maximum(top, np.float32(1e-35)), np.float32(0))
    return np.rint(values * factor[:, None]), top / np.float32(127)


def exact_linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def bf16_linear(w, name, x):
    """The weights rounded; inputs as they are."""
    if name.startswith("head."):
        return exact_linear(w, name, x)
    return x @ round_bf16(w[f"{name}.weight"]).astype(np.float64).T + w[f"{name}.bias"]


def int8_linear(w, name, x):
    if name.startswith("head."):
        return exact_linear(w, name, x)
    x = np.asarray(x, np.float32)
    if f"{name}.shift" in w:
        x = x - w[f"{name}.shift"].astype(np.float32)
    if f"{name}.smooth" in w:
        x = x * w[f"{name}.smooth"].astype(np.float32)
    rows, scale = round_rows(x)
    weights, weight_scale = round_rows(w[f"{name}.weight"])
    sums = rows.astype(np.float64) @ weights.astype(np.float64).T
    return sums * scale[:, None].astype(np.float64) * weight_scale.astype(np.float64) + w[f"{name}.bias"]


LINEAR = {"fp32": exact_linear, "bf16": bf16_linear, "int8": int8_linear}


def panels(weights, group):
    """[n, k] -> [P, K / group, 32, group], filled up with zeros."""
    n, k = weights.shape
    full = np.zeros((-(-n // PANEL) * PANEL, -(-k // 64) * 64), weights.dtype)
    full[:n, :k] = weights
    return np.ascontiguousarray(full.reshape(-1, PANEL, full.shape[1] // group, group).transpose(0, 2, 1, 3))


def stored_linear(weights, bias, precision):
    """The tensors of one linear in a quantised folder, by the ending of their names."""
    weights = np.asarray(weights, np.float32)
    if precision == "bf16":
        bits = (round_bf16(weights).view(np.uint32) >> 16).astype(np.uint16)
        return {"weight_bf16": panels(bits, 2), "bias": bias}
    rows, scale = round_rows(weights)
    rows = rows.astype(np.int8)
    sums = rows.sum(-1, dtype=np.int32)
    return {"weight_int8": panels(rows, 4), "scale": scale, "sums": sums, "bias": bias}


def linears(spec):
    """Name of each linear of a quantised folder, and the plain ones it is made of."""
    for i in range(spec["layers"]):
        layer = f"layers.{i}"
        yield f"{layer}.attention.key_value", [f"{layer}.attention.key", f"{layer}.attention.value"]
        for name in ("attention.query", "attention.output", "ffn.up", "ffn.down"):
            yield f"{layer}.{name}", [f"{layer}.{name}"]


def stored(spec, tensors, precision):
    """The tensors of a quantised folder; `precision` is one for all linears, or a function of their number."""
    of = precision if callable(precision) else lambda _: precision
    out = dict(tensors)
    for number, (name, parts) in enumerate(linears(spec)):
        if of(number) == "fp32":
            continue
        weights = np.concatenate([widened(out.pop(f"{part}.weight")) for part in parts])
        bias = np.concatenate([widened(out.pop(f"{part}.bias")) for part in parts]).astype(np.float32)
        out |= {f"{name}.{ending}": array for ending, array in stored_linear(weights, bias, of(number)).items()}
    return out


def quantised_table(table, bits, groups):
    """int8 or int4 values of a table and the scales of its groups of columns, and the floats that they stand for."""
    rows, width = table.shape
    most = 127 if bits == 8 else 7
    parts = np.asarray(table, np.float32).reshape(rows, groups, -1)
    scale = (np.abs(parts).max(-1) / most).astype(np.float16)
    safe = np.where(scale > 0, scale, 1).astype(np.float32)
    values = np.clip(np.rint(parts / safe[:, :, None]), -most, most).reshape(rows, width)
    floats = (values.reshape(parts.shape) * scale.astype(np.float32)[:, :, None]).reshape(rows, width)
    if bits == 8:
        return values.astype(np.int8), scale, floats
    nibbles = (values + 8).astype(np.uint8)
    return nibbles[:, 0::2] | nibbles[:, 1::2] << 4, scale, floats

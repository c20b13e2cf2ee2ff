"""Small random encoders, packed batches, and the encoder in float64: the oracle of the native engine's tests."""

import math
from typing import NamedTuple

import numpy as np

_erf = np.vectorize(math.erf)
_ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
}


class Batch(NamedTuple):
    ids: np.ndarray
    offsets: np.ndarray
    types: np.ndarray | None


def make_spec(**changes):
    spec = {
        "layers": 2, "hidden": 64, "heads": 2, "ffn": 128, "vocab": 97, "positions": 600, "position_offset": 2,
        "types": 2, "norm_eps": 1e-5, "activation": "gelu",
    }  # fmt: skip
    return spec | changes


def make_tensors(spec, seed=0, dtype="float32"):
    """Weights of a size that keeps every activation and logit near 1, so that errors show."""
    rng = np.random.default_rng(seed)
    h, f = spec["hidden"], spec["ffn"]
    tensors = {}

    def linear(name, n, k, gain=1.0):
        tensors[f"{name}.weight"] = rng.standard_normal((n, k)) * gain / math.sqrt(k)
        tensors[f"{name}.bias"] = rng.standard_normal(n) * 0.1

    def norm(name):
        tensors[f"{name}.weight"] = 1 + rng.standard_normal(h) * 0.1
        tensors[f"{name}.bias"] = rng.standard_normal(h) * 0.1

    for table, rows in (("word", spec["vocab"]), ("position", spec["positions"]), ("type", spec["types"])):
        tensors[f"embeddings.{table}"] = rng.standard_normal((rows, h))
    norm("embeddings.norm")
    for i in range(spec["layers"]):
        layer = f"layers.{i}"
        for part, gain in (("query", 1.5), ("key", 1.5), ("value", 1.0), ("output", 1.0)):
            linear(f"{layer}.attention.{part}", h, h, gain)
        norm(f"{layer}.attention.norm")
        linear(f"{layer}.ffn.up", f, h)
        linear(f"{layer}.ffn.down", h, f)
        norm(f"{layer}.ffn.norm")
    linear("head.dense", h, h)
    linear("head.output", 1, h)
    return {name: stored(values, dtype) for name, values in tensors.items()}


def stored(values, dtype):
    """The values as float32, float16, or the bits of bfloat16 (rounded towards zero)."""
    if dtype == "bfloat16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(dtype)


def widened(array):
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


def make_batch(spec, lengths, seed=0, types=True):
    rng = np.random.default_rng(seed)
    total = sum(lengths)
    return Batch(
        rng.integers(0, spec["vocab"], total).astype(np.int32),
        np.cumsum([0, *lengths]).astype(np.int64),
        rng.integers(0, spec["types"], total).astype(np.int32) if types else None,
    )


def select(batch, order):
    """The batch with those sequences only, in that order."""
    starts, ends = batch.offsets[order], batch.offsets[np.asarray(order) + 1]
    rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
    offsets = np.cumsum([0, *(ends - starts)]).astype(np.int64)
    return Batch(batch.ids[rows], offsets, None if batch.types is None else batch.types[rows])


def oracle(spec, tensors, batch, product=None):
    """Logits in float64, every sequence alone, every token in every layer; `product(weights, name, x)` may round."""
    w = {name: widened(array) for name, array in tensors.items()}
    spans = zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
    types = np.zeros_like(batch.ids) if batch.types is None else batch.types
    return np.array([_logit(spec, w, batch.ids[a:b], types[a:b], product) for a, b in spans])


def _logit(spec, w, ids, types, product):
    heads, length = spec["heads"], len(ids)

    def linear(x, name):
        if product is not None:
            return product(w, name, x)
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + spec["norm_eps"])
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    positions = np.arange(length) + spec["position_offset"]
    x = norm(w["embeddings.word"][ids] + w["embeddings.position"][positions] + w["embeddings.type"][types],
             "embeddings.norm")  # fmt: skip
    for i in range(spec["layers"]):
        layer = f"layers.{i}"
        q, k, v = (
            linear(x, f"{layer}.attention.{part}").reshape(length, heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        blocks = [_attention(q[:, at : at + 512], k, v) for at in range(0, length, 512)]
        mixed = np.concatenate(blocks, axis=1).transpose(1, 0, 2).reshape(length, -1)
        x = norm(x + linear(mixed, f"{layer}.attention.output"), f"{layer}.attention.norm")
        inner = _ACTIVATIONS[spec["activation"]](linear(x, f"{layer}.ffn.up"))
        x = norm(x + linear(inner, f"{layer}.ffn.down"), f"{layer}.ffn.norm")
    return linear(np.tanh(linear(x[0], "head.dense")), "head.output")[0]


def _attention(q, k, v):
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v

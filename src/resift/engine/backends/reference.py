"""The oracle: the encoder in plain numpy, float32, one sequence at a time.

Written to be read beside the papers: Vaswani et al. 2017 (attention), Devlin et al. 2018 (BERT, post-norm),
Hendrycks & Gimpel 2016 (GELU). A sequence is computed alone, so its logit cannot depend on its batch.

A linear is computed as it is stored: plain, bfloat16, or int8 (Dettmers et al. 2022, "vector-wise": a scale for each
token and each output, exact integer sums between them). `loading/quantised.py` describes the tensors.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from resift.loading.quantised import from_groups, from_nibbles, from_panels, round_rows, to_float32
from resift.types import Activation, Float32, Int32, ModelSpec, PackedBatch, Precision

_erf = np.vectorize(math.erf, otypes=[np.float32])
_ACTIVATIONS: dict[Activation, Callable[[Float32], Float32]] = {
    "gelu": lambda x: (x * 0.5 * (1.0 + _erf(x / math.sqrt(2.0)))).astype(np.float32),
    "gelu_tanh": lambda x: (0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))).astype(
        np.float32
    ),
    "relu": lambda x: np.maximum(x, np.float32(0)),
}


class ReferenceBackend:
    """A readable numpy backend: slow, exact, for tests and teaching.

    Args:
        spec: the encoder's shape.
        tensors: weights under the canonical names, plain or as `loading/quantised.py` says.
        precision: what the model's matrix products are called; each is computed as its weights are stored.
        on_input: called with the name and the input [tokens, inputs] of each linear before it is computed.
    """

    name = "reference"
    kernel = "numpy"

    def __init__(
        self,
        spec: ModelSpec,
        tensors: Mapping[str, np.ndarray],
        *,
        precision: Precision = "fp32",
        on_input: Callable[[str, Float32], None] | None = None,
    ) -> None:
        self.precision = precision
        self._spec = spec
        self._tensors = dict(tensors)
        self._on_input = on_input

    def forward(self, batch: PackedBatch) -> Float32:
        """Return the logit of every sequence of the batch, float32 [n]."""
        types = batch.types if batch.types is not None else np.zeros_like(batch.ids)
        starts, ends = batch.offsets[:-1], batch.offsets[1:]
        logits = [self._logit(batch.ids[a:b], types[a:b]) for a, b in zip(starts, ends, strict=True)]
        return np.array(logits, dtype=np.float32)

    def close(self) -> None:
        """Drop the weights."""
        self._tensors.clear()

    def _logit(self, ids: Int32, types: Int32) -> np.float32:
        x = self.embed(ids, types)
        for i in range(self._spec.layers):
            last = i == self._spec.layers - 1
            x = self.layer(x, f"layers.{i}", rows=1 if last else len(ids))
        dense = np.tanh(self._linear(x, "head.dense"))
        return np.float32(self._linear(dense, "head.output")[0, 0])

    def embed(self, ids: Int32, types: Int32) -> Float32:
        """Return the embeddings of a sequence, [tokens, hidden]."""
        positions = np.arange(len(ids)) + self._spec.position_offset
        x = self._rows("embeddings.word", ids) + self._rows("embeddings.position", positions)
        return self._norm(x + self._rows("embeddings.type", types), "embeddings.norm")

    def layer(self, x: Float32, name: str, rows: int) -> Float32:
        """One encoder layer; only its first `rows` rows are computed (the last layer needs one)."""
        top = x[:rows]
        top = self._norm(top + self._attention(x, name, rows), f"{name}.attention.norm")
        inner = _ACTIVATIONS[self._spec.activation](self._linear(top, f"{name}.ffn.up"))
        return self._norm(top + self._linear(inner, f"{name}.ffn.down"), f"{name}.ffn.norm")

    def _attention(self, x: Float32, name: str, rows: int) -> Float32:
        query = self._heads(self._linear(x[:rows], f"{name}.attention.query"))
        key, value = (self._heads(part) for part in self._key_value(x, f"{name}.attention"))
        logits = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(query.shape[-1]))
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ value).transpose(1, 0, 2).reshape(rows, self._spec.hidden)
        return self._linear(mixed, f"{name}.attention.output")

    def _heads(self, x: Float32) -> Float32:
        """[tokens, hidden] -> [heads, tokens, hidden / heads]."""
        return x.reshape(len(x), self._spec.heads, -1).transpose(1, 0, 2)

    def _key_value(self, x: Float32, name: str) -> tuple[Float32, Float32]:
        """Quantised folders hold both in one linear, keys first."""
        if f"{name}.key_value.bias" not in self._tensors:
            return self._linear(x, f"{name}.key"), self._linear(x, f"{name}.value")
        both = self._linear(x, f"{name}.key_value")
        return both[:, : self._spec.hidden], both[:, self._spec.hidden :]

    def _linear(self, x: Float32, name: str) -> Float32:
        if self._on_input is not None:
            self._on_input(name, x)
        return linear(self._tensors, name, x)

    def _norm(self, x: Float32, name: str) -> Float32:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self._spec.norm_eps))
        y: Float32 = centred / scale * self._tensor(f"{name}.weight") + self._tensor(f"{name}.bias")
        return y

    def _rows(self, name: str, index: np.ndarray) -> Float32:
        """Look rows of an embedding table up."""
        if f"{name}.scale" not in self._tensors:
            return to_float32(self._tensors[name][index])
        if f"{name}.int4" in self._tensors:
            values = from_nibbles(self._tensors[f"{name}.int4"][index])
        else:
            values = self._tensors[f"{name}.int8"][index]
        return from_groups(values, self._tensors[f"{name}.scale"][index])

    def _tensor(self, name: str) -> Float32:
        return to_float32(self._tensors[name])


def linear(tensors: Mapping[str, np.ndarray], name: str, x: Float32) -> Float32:
    """Return `x` [tokens, inputs] times the linear `name` as `tensors` store it, [tokens, outputs]."""
    bias = to_float32(tensors[f"{name}.bias"])
    if f"{name}.weight_int8" in tensors:
        return _int8_linear(tensors, name, x) + bias
    if f"{name}.weight_bf16" in tensors:
        weights = from_panels(tensors[f"{name}.weight_bf16"], len(bias), x.shape[1])
    else:
        weights = tensors[f"{name}.weight"]
    y: Float32 = x @ to_float32(weights).T + bias
    return y


def _int8_linear(tensors: Mapping[str, np.ndarray], name: str, x: Float32) -> Float32:
    """Round the input token by token, sum products of integers exactly, and scale the sums."""
    if f"{name}.shift" in tensors:
        x = x - tensors[f"{name}.shift"]
    if f"{name}.smooth" in tensors:
        x = x * tensors[f"{name}.smooth"]
    rounded, scale = round_rows(x)
    outputs = len(tensors[f"{name}.scale"])
    weights = from_panels(tensors[f"{name}.weight_int8"], outputs, x.shape[1])
    # Sums of up to 2^53 are exact in float64, whose product is the fast one in numpy.
    sums = (rounded.astype(np.float64) @ weights.astype(np.float64).T).astype(np.float32)
    y: Float32 = sums * (scale[:, None] * tensors[f"{name}.scale"][None, :])
    return y

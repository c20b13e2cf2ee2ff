"""From a model's folder to a checkpoint: spec, tensors under canonical names, tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.layouts import is_ignored, stored_name, tensor_names, tensor_shapes
from resift.loading.safetensors import StoredTensor
from resift.loading.source import ModelSource
from resift.loading.spec import family_of, read_config, read_spec
from resift.loading.tokenizer import check_tokenizer, read_tokenizer
from resift.loading.weights import read_weights
from resift.types import ModelSpec

_DTYPES = ("F32", "F16", "BF16")
_LISTED = 20
"""Names that a message lists before it counts the rest."""
_CHUNK = 1 << 20
"""Values that the check for NaN looks at in one go: what fits in a core's cache."""
_EXPONENT = {"F16": (np.uint16, 0x7C00), "BF16": (np.uint16, 0x7F80), "F32": (np.uint32, 0x7F800000)}
"""The bits of the exponent: all set in an infinity or NaN and in no other value (IEEE 754)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model as its files describe it, ready for an engine.

    Attributes:
        source: where it came from.
        spec: its shape.
        tensors: canonical name -> values in the stored precision: float32, float16, or bfloat16 as its bits in
            uint16. Read-only, and views of the mapped files.
        tokenizer: its tokenizer, without truncation or padding; nobody changes it after loading, so that any
            number of threads may encode with it.
        config: config.json as it is.
    """

    source: ModelSource
    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]
    tokenizer: Tokenizer
    config: Mapping[str, object]


def load_checkpoint(source: ModelSource) -> Checkpoint:
    """Load the model that `locate` found.

    Every tensor but the three embedding tables is checked for NaN and infinity. The tables stay on disk until their
    rows are looked up, and what they hold shows in the logits, which the engine checks.
    Raises ModelLayoutError when a file is missing, corrupt or contradicts another one, UnsupportedModel when the
    model is not of a kind that resift runs.
    """
    folder = source.folder
    config = read_config(folder / "config.json")
    tokenizer, special = read_tokenizer(folder, family_of(config))
    spec = read_spec(config, cls_id=special.cls_id, sep_id=special.sep_id)
    check_tokenizer(tokenizer, spec)
    stored = _select(folder, spec, read_weights(folder))
    for name, tensor in stored.items():
        if not name.startswith("embeddings.") or name.startswith("embeddings.norm"):
            _check_finite(tensor)
    tensors = {name: tensor.array() for name, tensor in stored.items()}
    return Checkpoint(source=source, spec=spec, tensors=tensors, tokenizer=tokenizer, config=config)


def _select(folder: Path, spec: ModelSpec, stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return canonical name -> tensor, after a check of all names, shapes and dtypes."""
    names = {ours: stored_name(theirs, stored) for ours, theirs in tensor_names(spec).items()}
    missing = [theirs for theirs in names.values() if theirs not in stored]
    used = set(names.values())
    unexpected = [name for name in stored if name not in used and not is_ignored(spec.family, name)]
    if missing or unexpected:
        parts = [("missing", missing), ("unexpected", unexpected)]
        lists = "; ".join(f"{what}: {_listed(found)}" for what, found in parts if found)
        raise ModelLayoutError(
            f"{folder}: the tensors are not those of a {spec.family} reranker of {spec.layers} layers: {lists}"
        )
    shapes = tensor_shapes(spec)
    scores = stored[names["head.output.weight"]].shape[:1]
    if scores != (1,):
        raise UnsupportedModel(f"{folder}: the model gives {scores[0] if scores else 0} scores; a reranker gives 1")
    for ours, theirs in names.items():
        _check_tensor(stored[theirs], shapes[ours])
    return {ours: stored[theirs] for ours, theirs in names.items()}


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"


def _check_tensor(tensor: StoredTensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ModelLayoutError(
            f"{tensor.file}: tensor {tensor.name!r} has the shape {list(tensor.shape)}, "
            f"config.json asks for {list(shape)}"
        )
    if tensor.dtype not in _DTYPES:
        raise UnsupportedModel(
            f"{tensor.file}: tensor {tensor.name!r} is stored as {tensor.dtype}",
            hint=f"resift reads {', '.join(_DTYPES)}",
        )


def _check_finite(tensor: StoredTensor) -> None:
    dtype, mask = _EXPONENT[tensor.dtype]
    bits = tensor.array().reshape(-1).view(dtype)
    exponent = dtype(mask)
    for start in range(0, len(bits), _CHUNK):
        if (bits[start : start + _CHUNK] & exponent).max() == exponent:
            raise ModelLayoutError(
                f"{tensor.file}: tensor {tensor.name!r} holds a NaN or an infinity",
                hint="the file is damaged or training diverged: use another copy of the model",
            )

"""From a model's folder to its tensors under canonical names, checked against its spec."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.checks import check_finite, check_tensor, name_problems
from resift.loading.layouts import is_ignored, stored_name, tensor_names, tensor_shapes
from resift.loading.quantisation import select_quantised
from resift.loading.safetensors import StoredTensor
from resift.loading.weights import read_weights
from resift.types import ModelSpec, Precision


def load_tensors(folder: Path, spec: ModelSpec, *, stored: Precision | None) -> dict[str, np.ndarray]:
    """Map the weights in `folder` and return canonical name -> values, as `Checkpoint.tensors` describes them.

    `stored` is the precision of a folder of `resift quantize`, None for any other. Every tensor but the three
    embedding tables is checked for NaN and infinity. The tables stay on disk until their rows are looked up, and what
    they hold shows in the logits, which the engine checks. So do the matrices of a quantised folder, whose integers
    cannot be NaN. Raises ModelLayoutError or UnsupportedModel.
    """
    if stored is not None:
        chosen = select_quantised(folder, spec, read_weights(folder))
    else:
        chosen = _select(folder, spec, read_weights(folder))
        for name, tensor in chosen.items():
            if not name.startswith("embeddings.") or name.startswith("embeddings.norm"):
                check_finite(tensor)
    return {name: tensor.array() for name, tensor in chosen.items()}


def _select(folder: Path, spec: ModelSpec, stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return canonical name -> tensor, after a check of all names, shapes and dtypes."""
    names = {ours: stored_name(theirs, stored) for ours, theirs in tensor_names(spec).items()}
    missing = [theirs for theirs in names.values() if theirs not in stored]
    used = set(names.values())
    unexpected = [name for name in stored if name not in used and not is_ignored(spec.family, name)]
    if missing or unexpected:
        raise ModelLayoutError(
            f"{folder}: the tensors are not those of a {spec.family} reranker of {spec.layers} layers: "
            f"{name_problems(missing, unexpected)}"
        )
    shapes = tensor_shapes(spec)
    scores = stored[names["head.output.weight"]].shape[:1]
    if scores != (1,):
        raise UnsupportedModel(f"{folder}: the model gives {scores[0] if scores else 0} scores; a reranker gives 1")
    for ours, theirs in names.items():
        check_tensor(stored[theirs], shapes[ours])
    return {ours: stored[theirs] for ours, theirs in names.items()}

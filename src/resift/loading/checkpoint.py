"""From a model's folder to a checkpoint: spec, tensors under canonical names, tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.checks import check_finite, check_tensor, name_problems
from resift.loading.layouts import is_ignored, stored_name, tensor_names, tensor_shapes
from resift.loading.quantisation import has_cut_vocabulary, read_quantisation, select_quantised
from resift.loading.safetensors import StoredTensor
from resift.loading.source import ModelSource
from resift.loading.spec import family_of, read_config, read_spec
from resift.loading.tokenizer import check_tokenizer, read_tokenizer
from resift.loading.weights import read_weights
from resift.types import ModelSpec, Precision


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
        precision: of the stored matrices, when `resift quantize` wrote the folder: its tensors are those of
            `loading/quantised.py`. None for plain ones.
        unknown_id: the token of what the vocabulary lacks, when it was cut to some languages and texts, so that whoever
            scores others can be told. None for a whole vocabulary.
    """

    source: ModelSource
    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]
    tokenizer: Tokenizer
    config: Mapping[str, object]
    precision: Precision | None = None
    unknown_id: int | None = None


def load_checkpoint(source: ModelSource) -> Checkpoint:
    """Load the model that `locate` found.

    Every tensor but the three embedding tables is checked for NaN and infinity. The tables stay on disk until their
    rows are looked up, and what they hold shows in the logits, which the engine checks. So do the matrices of a
    quantised folder, whose integers cannot be NaN.
    Raises ModelLayoutError when a file is missing, corrupt or contradicts another one, UnsupportedModel when the
    model is not of a kind that resift runs.
    """
    folder = source.folder
    config = read_config(folder / "config.json")
    precision = read_quantisation(config, folder)
    tokenizer, special = read_tokenizer(folder, family_of(config))
    spec = read_spec(config, cls_id=special.cls_id, sep_id=special.sep_id)
    check_tokenizer(tokenizer, spec)
    if precision is None:
        stored = _select(folder, spec, read_weights(folder))
        for name, tensor in stored.items():
            if not name.startswith("embeddings.") or name.startswith("embeddings.norm"):
                check_finite(tensor)
    else:
        stored = select_quantised(folder, spec, read_weights(folder))
    tensors = {name: tensor.array() for name, tensor in stored.items()}
    return Checkpoint(
        source=source,
        spec=spec,
        tensors=tensors,
        tokenizer=tokenizer,
        config=config,
        precision=precision,
        unknown_id=special.unknown_id if has_cut_vocabulary(config) else None,
    )


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

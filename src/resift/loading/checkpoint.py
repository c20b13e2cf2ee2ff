"""From a model's folder to a checkpoint: spec, tensors under canonical names, tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from resift.loading.quantisation import has_cut_vocabulary, read_quantisation
from resift.loading.source import ModelSource
from resift.loading.spec import family_of, read_config, read_spec
from resift.loading.tensors import load_tensors
from resift.loading.tokenizer import check_tokenizer, read_tokenizer
from resift.types import ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class TextSide:
    """A model without its weights: all that turns texts into token sequences, for a process that computes elsewhere.

    Attributes:
        source, spec, tokenizer, config, precision, unknown_id: as in `Checkpoint`.
    """

    source: ModelSource
    spec: ModelSpec
    tokenizer: Tokenizer
    config: Mapping[str, object]
    precision: Precision | None = None
    unknown_id: int | None = None


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
    """Load the model that `locate` found: `load_text_side`, and the tensors of `load_tensors`.

    Raises ModelLayoutError when a file is missing, corrupt or contradicts another one, UnsupportedModel when the
    model is not of a kind that resift runs.
    """
    text = load_text_side(source)
    return Checkpoint(
        source=source,
        spec=text.spec,
        tensors=load_tensors(source.folder, text.spec, stored=text.precision),
        tokenizer=text.tokenizer,
        config=text.config,
        precision=text.precision,
        unknown_id=text.unknown_id,
    )


def load_text_side(source: ModelSource) -> TextSide:
    """Load all of a model but its weights, which are not looked at. Raises like `load_checkpoint`."""
    folder = source.folder
    config = read_config(folder / "config.json")
    precision = read_quantisation(config, folder)
    tokenizer, special = read_tokenizer(folder, family_of(config))
    spec = read_spec(config, cls_id=special.cls_id, sep_id=special.sep_id)
    check_tokenizer(tokenizer, spec)
    return TextSide(
        source=source,
        spec=spec,
        tokenizer=tokenizer,
        config=config,
        precision=precision,
        unknown_id=special.unknown_id if has_cut_vocabulary(config) else None,
    )

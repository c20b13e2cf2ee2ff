"""Which match features, if any, a model was trained with: declared under `resift` in its config.json."""

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.text.encode import PairFeatures
from resift.text.matching import VERSION, Matcher


def load_features(config: Mapping[str, object], folder: Path, tokenizer: Tokenizer) -> PairFeatures | None:
    """Return the model's match features, or None for a plain model such as bge-reranker-v2-m3.

    Raises ModelLayoutError when the declaration or its file is broken, UnsupportedModel for a newer version.
    """
    declared = config.get("resift")
    if declared is None:
        return None
    matching = declared.get("matching") if isinstance(declared, Mapping) else None
    if matching is None and isinstance(declared, Mapping) and "quantization" in declared:  # what resift quantize adds
        return None
    if not isinstance(matching, Mapping):
        raise ModelLayoutError(f"{folder}/config.json: 'resift' is {declared!r}, expected a mapping with 'matching'")
    if matching.get("version") != VERSION:
        raise UnsupportedModel(
            f"{folder}/config.json: match features of version {matching.get('version')!r}, expected {VERSION}",
            hint="upgrade resift",
        )
    try:
        return Matcher.load(matching, folder, tokenizer)
    except (ValueError, OSError) as error:
        raise ModelLayoutError(f"{folder}: the match features cannot be read: {error}") from error

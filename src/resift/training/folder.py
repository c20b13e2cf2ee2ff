"""Write what was trained as a folder that `Reranker`, `resift quantize` and `resift serve` take."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resift.loading.checkpoint import Checkpoint
from resift.loading.layouts import tensor_names
from resift.loading.pieces import PIECES
from resift.loading.tokenizer import BPE, SENTENCEPIECE, SETTINGS, TOKENIZER, WORDPIECE
from resift.quantize.writer import SafetensorsWriter, Slot
from resift.types import Family, Float32

_COPIED = (
    TOKENIZER, PIECES, SENTENCEPIECE, WORDPIECE, *BPE, SETTINGS, "special_tokens_map.json",
    "config_sentence_transformers.json", "matching.safetensors", "embedder.safetensors",
)  # fmt: skip
_ARCHITECTURES: Mapping[Family, str] = {
    "bert": "BertForSequenceClassification",
    "roberta": "RobertaForSequenceClassification",
    "xlm-roberta": "XLMRobertaForSequenceClassification",
}
_PATHS = ("_name_or_path", "torch_dtype", "dtype", "transformers_version")


def write_model(folder: Path, checkpoint: Checkpoint, tensors: Mapping[str, Float32], *, half: bool) -> None:
    """Write weights (in float16 if `half`), config and tokenizer; licence texts of the original come along."""
    names = tensor_names(checkpoint.spec)
    kind, dtype = ("F16", np.float16) if half else ("F32", np.float32)
    slots = {names[ours]: Slot(kind, values.shape) for ours, values in tensors.items()}
    with SafetensorsWriter(folder / "model.safetensors", slots) as writer:
        for ours, values in tensors.items():
            writer.write(names[ours], values.astype(dtype))
    config: dict[str, Any] = {name: value for name, value in checkpoint.config.items() if name not in _PATHS}
    config["architectures"] = [_ARCHITECTURES[checkpoint.spec.family]]
    config["dtype"] = "float16" if half else "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    licences = [file.name for file in checkpoint.source.folder.glob("LICENSE*")]
    for name in (*_COPIED, *licences):
        if (checkpoint.source.folder / name).is_file():
            shutil.copyfile(checkpoint.source.folder / name, folder / name)


def stored_in_half(checkpoint: Checkpoint) -> bool:
    """Whether the original's matrices are float16: then those of the copy are too."""
    return checkpoint.tensors["layers.0.ffn.up.weight"].dtype == np.float16

"""From a folder to its tensors: one model.safetensors, or the shards that an index names."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.safetensors import StoredTensor, read_safetensors

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.bin", "pytorch_model.pt")
"""Weights that only unpickling can read, which runs whatever code the file holds: resift never does."""
CONVERT = (
    "convert it once where torch and transformers are installed: "
    "AutoModelForSequenceClassification.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), "
    "then copy the tokenizer's files to NEW_FOLDER"
)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that make up the model in `folder`.

    Raises ModelLayoutError when there are none or a shard is missing, UnsupportedModel when there are only pickles.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        return _shards(folder)
    pickles = [name for name in PICKLES if (folder / name).is_file()]
    if pickles:
        raise UnsupportedModel(
            f"{folder} has its weights only as {pickles[0]}, a pickle, which could run any code when read", hint=CONVERT
        )
    raise ModelLayoutError(
        f"{folder} has no weights: neither {SINGLE} nor {INDEX}", hint="copy all of the model's files to the folder"
    )


def read_weights(folder: Path) -> dict[str, StoredTensor]:
    """Map the files of `weight_files` and return their tensors by name.

    Raises ModelLayoutError when a file is corrupt or two files hold the same tensor.
    """
    tensors: dict[str, StoredTensor] = {}
    for file in weight_files(folder):
        for name, tensor in read_safetensors(file).items():
            if name in tensors:
                raise ModelLayoutError(f"tensor {name!r} is in {tensors[name].file} and in {file}")
            tensors[name] = tensor
    return tensors


def _shards(folder: Path) -> list[Path]:
    names = sorted(set(_weight_map(folder / INDEX).values()))
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or path.suffix != ".safetensors":
            raise ModelLayoutError(f"{folder / INDEX} names {name!r}, which is not a safetensors file of its folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelLayoutError(
            f"{folder} lacks {len(missing)} of {len(names)} weight files: {', '.join(missing)}",
            hint="copy them to the folder or download the model again",
        )
    return [folder / name for name in names]


def _weight_map(index: Path) -> Mapping[str, str]:
    try:
        content = json.loads(index.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLayoutError(f"{index} is not JSON: {error}") from error
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise ModelLayoutError(f"{index} has no weight_map from tensors to files")
    return names

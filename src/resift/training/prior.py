"""The prior of a model with match features, and the folder in which it is scaled."""

from collections.abc import Mapping
from pathlib import Path

from resift.loading.safetensors import read_safetensors
from resift.quantize.writer import SafetensorsWriter, Slot

_OUTER = ("prior.skip", "prior.w2")
"""The prior is linear in these two tables of `text/matching.py`, and in no other."""


def has_prior(config: Mapping[str, object]) -> bool:
    """Whether a model's config.json declares match features, which bring a prior."""
    return _file(config) is not None


def scale_prior(folder: Path, config: Mapping[str, object], scale: float) -> None:
    """Multiply the prior of the model in `folder` by a number, once and for all."""
    name = _file(config)
    if name is None:
        return
    file = folder / name
    stored = read_safetensors(file)
    arrays = {key: tensor.array().copy() for key, tensor in stored.items()}
    slots = {key: Slot(tensor.dtype, tensor.shape) for key, tensor in stored.items()}
    scratch = file.with_suffix(".scaled")
    with SafetensorsWriter(scratch, slots) as writer:
        for key, values in arrays.items():
            writer.write(key, (values * scale).astype(values.dtype) if key in _OUTER else values)
    scratch.replace(file)  # other processes may have the old file mapped


def _file(config: Mapping[str, object]) -> str | None:
    ours = config.get("resift")
    matching = ours.get("matching") if isinstance(ours, Mapping) else None
    name = matching.get("file") if isinstance(matching, Mapping) else None
    return name if isinstance(name, str) else None

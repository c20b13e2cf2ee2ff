"""Generated checkpoints like real ones: a few channels of the norms are far larger than the others."""

from pathlib import Path

import numpy as np
import pytest

from tests.checkpoints import make_checkpoint

OUTLIERS = (3, 17, 41)


def make_model(folder: Path, *, gain: float = 1.0, family: str = "xlm-roberta", **sizes: int) -> Path:
    """Write a checkpoint; with a gain, some channels of every norm are that much larger.

    What reads these channels has smaller weights, as training would make it.
    """
    shape = {"layers": 4, "hidden": 128, "heads": 4, "ffn": 256} | sizes
    make_checkpoint(folder, family, **shape)
    if gain != 1:
        _plant(folder / "model.safetensors", gain)
    return folder


def _plant(file: Path, gain: float) -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors: dict[str, np.ndarray] = library.load_file(file)
    at = list(OUTLIERS)
    for name, values in tensors.items():
        if "LayerNorm" in name:
            values[at] *= np.float32(gain)
        elif any(part in name for part in ("query.weight", "key.weight", "value.weight", "intermediate.dense.weight")):
            values[:, at] /= np.float32(gain)
    file.unlink()
    library.save_file(tensors, file)

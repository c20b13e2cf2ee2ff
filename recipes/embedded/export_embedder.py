"""Part of stage 11: `embedder.safetensors` from the token vectors, which the match features read too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.meaning import ROW_LENGTH


def quantised(weight: NDArray[np.floating]) -> dict[str, NDArray[np.generic]]:
    """Return int8 rows of length ROW_LENGTH (where no number is cut) and the scale of each."""
    weight = weight.astype(np.float32)
    length = np.sqrt((weight * weight).sum(axis=1))
    unit = weight / np.maximum(length, 1e-9)[:, None]
    rows = np.clip(np.rint(unit * ROW_LENGTH), -127, 127).astype(np.int8)
    return {"vectors": rows, "scales": (length / ROW_LENGTH).astype(np.float32)}


def main() -> None:
    """Write the file and say how far the rows are from what they were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    weight = np.load(arguments.vectors)[:, : arguments.dimension]
    tensors = quantised(weight)
    save_file(tensors, arguments.out)
    again = tensors["vectors"] * tensors["scales"][:, None]
    error = np.linalg.norm(again - weight, axis=1) / np.maximum(np.linalg.norm(weight, axis=1), 1e-9)
    cut = (np.abs(tensors["vectors"]) == 127).sum()
    print(f"{arguments.out.stat().st_size} bytes, error of a row {error.mean():.4f}, {cut} numbers cut")


if __name__ == "__main__":
    main()

"""The texts that `build_pairs.py` wrote, as token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Texts:
    """Token ids of all texts, their languages, and the pairs."""

    def __init__(self, path: Path) -> None:
        """Load everything into memory."""
        data = np.load(path)
        self.ids: NDArray[np.uint16] = data["ids"]
        self.offsets: NDArray[np.int64] = data["offsets"]
        self.language: NDArray[np.int16] = data["language"]
        self.languages: list[str] = [str(x) for x in data["languages"]]
        self.pairs: NDArray[np.int32] = data["pairs"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]].astype(np.int64)

    def gather(self, which: NDArray[Any], limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of several texts one after another, each cut to `limit`, and their lengths."""
        lengths = np.minimum(self.offsets[which + 1] - self.offsets[which], limit)
        ends = np.cumsum(lengths)
        where = np.arange(ends[-1]) + np.repeat(self.offsets[which] - (ends - lengths), lengths)
        return self.ids[where].astype(np.int64), lengths

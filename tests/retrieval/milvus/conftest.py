"""An encoder without a model, and folders of Milvus Lite."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from resift.retrieval.milvus import MilvusIndex


class Grams:
    """Bags of hashed character pairs: texts that share words are near each other."""

    def __init__(self, dimension: int = 64, name: str = "grams") -> None:
        self.name = name
        self.dimension = dimension

    def encode_documents(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for pair in pairwise(text):
                code = zlib.crc32("".join(pair).encode())
                vector[code % self.dimension] += 1 if code & 2**31 else -1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths == 0, 1, lengths)

    encode_queries = encode_documents


@pytest.fixture
def encoder() -> Grams:
    return Grams()


@pytest.fixture
def index(tmp_path: Path, encoder: Grams) -> Iterator[MilvusIndex]:
    with MilvusIndex.open(tmp_path / "store", encoder=encoder) as opened:
        yield opened

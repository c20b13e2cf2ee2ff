"""A static sentence encoder: the sum of learned token vectors, brought to length 1.

What a token says, and how much it counts, is in its vector's direction and length, so that an encoder is one table and
a text costs little more than its tokenising. After StaticEmbedding in sentence-transformers and model2vec; trained so
that the first numbers of a vector are a smaller vector (Kusupati et al., Matryoshka Representation Learning, 2022).

The file `embedder.safetensors`, beside a tokenizer:

    vectors  int8     [tokens, dimension]
    scales   float32  [tokens], what a row is multiplied with
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from resift.errors import InputError, ModelLayoutError, ModelNotFound
from resift.loading.safetensors import StoredTensor, read_safetensors
from resift.loading.source import EMBEDDED, EMBEDDED_FOLDER
from resift.loading.tokenizer import read_tokenizer
from resift.text.template import scrub
from resift.types import Float32

FILE = "embedder.safetensors"
TEXTS_AT_ONCE = 256  # tokenised together: what the tokenizer says of a text takes many times the text's memory
TOKENS_AT_ONCE = 4096  # gathered together: 4 MB at 256 dimensions


class Embedder:
    """Texts to vectors for dense recall, in any of the tokenizer's languages and across them, without a network.

    >>> embedder = Embedder()
    >>> texts = ["The cat sleeps on the sofa.", "Interest rates rose again."]
    >>> similarity = embedder.encode_queries(["猫在哪里睡觉？"]) @ embedder.encode_documents(texts).T
    >>> int(similarity.argmax())
    0

    Safe to be used from several threads at once.
    """

    def __init__(self, model: str | Path | None = None, *, dimension: int | None = None) -> None:
        """Read the encoder.

        Args:
            model: a folder with `embedder.safetensors` and a tokenizer; None or `embedded` for the one in this package.
            dimension: numbers to keep of each vector, from the first, for a smaller index; None for all.

        Raises ModelNotFound when there is none, ModelLayoutError when its files are broken.
        """
        folder = EMBEDDED_FOLDER if model is None or model == EMBEDDED else Path(model).expanduser()
        if not (folder / FILE).is_file():
            raise ModelNotFound(f"{folder} holds no {FILE}", hint="give the folder of a static encoder, or nothing")
        self._tokenizer, _ = read_tokenizer(folder, "bert")
        self._table, digest = _read_table(folder / FILE, self._tokenizer.get_vocab_size())
        if dimension is not None:
            if isinstance(dimension, bool) or not 1 <= dimension <= self._table.shape[1]:
                raise InputError(f"dimension is {dimension!r}, expected 1 to {self._table.shape[1]}, or None for all")
            self._table = np.ascontiguousarray(self._table[:, :dimension])
        digest.update(self._tokenizer.to_str().encode())
        self._name = f"resift-static-{digest.hexdigest()[:12]}-{self.dimension}"

    @property
    def name(self) -> str:
        """What the vectors depend on: a hash of the table and the tokenizer, and the dimension."""
        return self._name

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self._table.shape[1])

    def encode(self, texts: Iterable[str]) -> Float32:
        """Return the vectors, float32 [n, dimension]: length 1, or zeros for a text without tokens.

        All of a text counts, however long it is. A vector does not depend on the other texts, to the last bit.
        Raises InputError for anything but texts.
        """
        asked = _checked(texts)
        vectors = np.zeros((len(asked), self.dimension), np.float32)
        for begin in range(0, len(asked), TEXTS_AT_ONCE):
            some = asked[begin : begin + TEXTS_AT_ONCE]
            for row, tokens in enumerate(self._tokenizer.encode_batch_fast(some, add_special_tokens=False), begin):
                vectors[row] = self._sum(tokens.ids)
        # Subtle: numpy sums a row of its own accord in the same order, whatever the number of rows.
        lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        vectors /= np.where(lengths > 0, lengths, 1)
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Float32:
        """Return what `encode` returns: queries and documents are alike to this model."""
        return self.encode(texts)

    def encode_documents(self, texts: Sequence[str]) -> Float32:
        """Return what `encode` returns: queries and documents are alike to this model."""
        return self.encode(texts)

    def _sum(self, ids: list[int]) -> Float32:
        total = np.zeros(self.dimension, np.float32)
        for begin in range(0, len(ids), TOKENS_AT_ONCE):
            total += self._table.take(ids[begin : begin + TOKENS_AT_ONCE], axis=0).sum(axis=0)
        return total


def _checked(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InputError(
            f"texts is {type(texts).__name__}, expected a list of texts", hint="one text is written [text]"
        )
    asked = list(texts)
    for index, text in enumerate(asked):
        if not isinstance(text, str):
            raise InputError(f"text {index} is {type(text).__name__} {str(text)[:40]!r}, expected a text")
    return [scrub(text) for text in asked]


def _read_table(file: Path, tokens: int) -> tuple[Float32, "hashlib._Hash"]:
    """Return the rows times their scales, float32 [tokens, dimension], and the hash of what they were made from."""
    stored = read_safetensors(file)
    vectors, scales = (_tensor(file, stored, name) for name in ("vectors", "scales"))
    if vectors.dtype != np.int8 or vectors.ndim != 2 or len(vectors) != tokens or not vectors.size:
        raise ModelLayoutError(
            f"{file}: vectors is {vectors.dtype} {vectors.shape}, expected int8 [{tokens}, dimension]"
        )
    if scales.dtype != np.float32 or scales.shape != (tokens,) or not np.isfinite(scales).all():
        raise ModelLayoutError(f"{file}: scales is {scales.dtype} {scales.shape}, expected finite float32 [{tokens}]")
    digest = hashlib.sha256(vectors.tobytes())
    digest.update(scales.tobytes())
    return vectors * scales[:, None], digest


def _tensor(file: Path, stored: dict[str, StoredTensor], name: str) -> np.ndarray:
    if name not in stored:
        raise ModelLayoutError(f"{file} has no tensor {name!r}, expected vectors and scales")
    return stored[name].array()

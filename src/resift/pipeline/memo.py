"""An encoder that knows some vectors already, so that several stores of one text do not have it encoded twice.

It also takes the encoding, which may be a slow model or a server, out of the time in which searches wait for a change.
"""

from collections.abc import Sequence

import numpy as np

from resift.errors import InputError
from resift.retrieval.protocols import Encoder
from resift.types import Float32


class Memo:
    """An `Encoder` around another one; one thread at a time may call `learn` and `forget`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, int] = {}
        self._vectors: Float32 | None = None

    @property
    def name(self) -> str:
        """That of the encoder."""
        return self._encoder.name

    @property
    def dimension(self) -> int:
        """That of the encoder."""
        return self._encoder.dimension

    def learn(self, texts: Sequence[str]) -> None:
        """Encode documents now that will be asked for soon."""
        distinct = list(dict.fromkeys(texts))
        vectors = self._encoder.encode_documents(distinct)
        if len(vectors) != len(distinct):
            raise InputError(f"the encoder {self.name} gave {len(vectors)} vectors for {len(distinct)} texts")
        self._vectors, self._known = vectors, {text: i for i, text in enumerate(distinct)}

    def forget(self) -> None:
        """Release the vectors."""
        self._vectors, self._known = None, {}

    def encode_queries(self, texts: Sequence[str]) -> Float32:
        """Ask the encoder."""
        return self._encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str]) -> Float32:
        """Return what is known, or ask the encoder where it is not all known."""
        if self._vectors is None or not all(text in self._known for text in texts):
            return self._encoder.encode_documents(texts)
        places = np.array([self._known[text] for text in texts], np.intp)
        return np.ascontiguousarray(self._vectors[places])

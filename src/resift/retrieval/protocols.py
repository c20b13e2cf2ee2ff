"""What a first stage is to everyone else: a retriever, a store that can be written to, an encoder of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from resift.types import Float32, Int64


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that first-stage retrieval found.

    Attributes:
        id: as it was added; its place in the list of texts, from 0, where no ids were given.
        score: how well it matches, higher is better; comparable within one query and one retriever only.
    """

    id: int | str
    score: float


class Retriever(Protocol):
    """Finds the documents that a reranker puts in order."""

    def search(self, query: str, *, top_k: int) -> list[Hit]:
        """Return at most `top_k` hits, sorted by (-score, order of ids)."""


class Encoder(Protocol):
    """Texts to vectors of length 1, so that inner products are cosines."""

    @property
    def name(self) -> str:
        """What the vectors depend on; an index refuses to open with an encoder of another name."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    def encode_queries(self, texts: Sequence[str]) -> Float32:
        """Return float32 [n, dimension]; rows of zeros for texts that say nothing."""

    def encode_documents(self, texts: Sequence[str]) -> Float32:
        """Return float32 [n, dimension]; rows of zeros for texts that say nothing."""


class Store(Protocol):
    """A retriever over a folder or a server that documents can be added to and taken from.

    Changes are seen by the next search. They survive the process after `save`, which is atomic: whatever happens, the
    store that is opened next holds all changes up to its `mark` (and perhaps some later ones, so adding and deleting
    again what came after the mark gives the right state).
    """

    @property
    def mark(self) -> int:
        """The number given to the last `save`; 0 for a new store."""

    def __len__(self) -> int:
        """Documents that can be found."""

    def add(self, ids: Int64, texts: Sequence[str]) -> None:
        """Index texts under ids, int64 [n]; a document whose id is there is replaced."""

    def delete(self, ids: Int64) -> None:
        """Take documents out, int64 [n]; ids that are not there are ignored."""

    def search(self, query: str, *, top_k: int, among: Int64 | None = None) -> list[Hit]:
        """Return at most `top_k` hits, sorted by (-score, id); `among`: only documents of these ids, int64 [n]."""

    def search_many(self, queries: Sequence[str], *, top_k: int, among: Int64 | None = None) -> list[list[Hit]]:
        """Return the hits of each query, the same as one by one."""

    def save(self, *, mark: int) -> None:
        """Make all changes durable."""

    def close(self) -> None:
        """Release files and memory; changes since `save` are lost."""

"""Questions and texts, and what every framework must hand to its user: the places and scores of `Reranker` itself."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from resift import RankedDocument, Reranker

T = TypeVar("T")

QUERY = "What is the capital of France?"
TEXTS = [
    "Berlin lies on the river Spree.",
    "Paris is the capital of France.",
    "The capital of Spain is Madrid.",
    "A kettle boils water.",
]
BEST = 1


def expected(texts: list[str] = TEXTS, **options: Any) -> list[tuple[int, float]]:
    """Return the places and the scores, best first, of the embedded model."""
    with Reranker(**{"scores": "sigmoid", **options}) as reranker:
        return [(one.index, one.score) for one in reranker.rank(QUERY, texts)]


@dataclass
class Fake:
    """A ready-made reranker that answers `rank` with what it was made with."""

    ranking: list[RankedDocument]
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def with_options(self, **options: Any) -> "Fake":
        self.asked.append(options)
        return self

    def rank(self, query: str, documents: list[str], *, top_k: int | None = None) -> list[RankedDocument]:
        self.asked.append({"query": query, "documents": documents, "top_k": top_k})
        return self.ranking[:top_k]

    def close(self) -> None:
        self.closed = True


@dataclass
class Patient:
    """A ready-made reranker that answers when it is let, which takes an event loop that goes on meanwhile."""

    entered: threading.Event = field(default_factory=threading.Event)
    let: threading.Event = field(default_factory=threading.Event)

    def with_options(self, **_: Any) -> "Patient":
        return self

    def rank(self, _: str, documents: list[str], *, top_k: int | None = None) -> list[RankedDocument]:
        self._wait()
        return [RankedDocument(i, 0.5, text) for i, text in enumerate(documents)][:top_k]

    def score(self, pairs: list[tuple[str, str]]) -> list[float]:
        self._wait()
        return [0.5] * len(pairs)

    def _wait(self) -> None:
        self.entered.set()
        assert self.let.wait(30), "the event loop stood still"

    async def answers(self, call: Awaitable[T]) -> T:
        """Await the call, which can end only when this coroutine runs beside it."""
        task = asyncio.ensure_future(call)
        while not self.entered.is_set():
            await asyncio.sleep(0.001)
        self.let.set()
        return await task


def awaited(owner: Any, call: Awaitable[T]) -> T:
    """Return what the call gives in an event loop of its own, whose connections the owner closes."""

    async def ask() -> T:
        try:
            return await call
        finally:
            await owner.aclose()

    return asyncio.run(ask())


@contextlib.contextmanager
def unchanged(values: list[Any]) -> Iterator[None]:
    """Hold that nobody changed the caller's objects."""
    before = [repr(value) for value in values]
    yield
    assert [repr(value) for value in values] == before

"""The stores of a pipeline while it is open: how far each has come, and what searches see of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resift.closing import Closing
from resift.errors import EngineClosed
from resift.pipeline.lock import Gate
from resift.retrieval.protocols import Store


@dataclass(slots=True)
class Shelf:
    """A store and the number of the last change that it has in full.

    Attributes:
        folder: its own; None where it is not in the pipeline's.
        given: it belongs to the caller, who closes it.
        failure: why it has not got further.
    """

    name: str
    store: Store
    applied: int
    folder: Path | None = None
    given: bool = False
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What one search sees: the change up to which, the stores that are used, and why others are not."""

    at: int
    stores: Mapping[str, Store]
    failures: Mapping[str, str]


class Shelves(Closing):
    """All stores behind one gate: searches look, and the moment in which a change is seen waits until nobody does.

    Whoever writes knows how far each store is: one that failed to take the last change is left out until it has it.
    Who only reads finds them as they were saved, one after another, and sees what all of them have.
    """

    def __init__(self, shelves: Sequence[Shelf], *, writable: bool) -> None:
        self.gate = Gate()
        self._shelves = list(shelves)
        self._writable = writable
        self._closed = False

    def __iter__(self) -> Iterator[Shelf]:
        return iter(self._shelves)

    @property
    def at(self) -> int:
        """The last change that searches see."""
        choose = max if self._writable else min
        return choose(shelf.applied for shelf in self._shelves)

    @contextmanager
    def looking(self) -> Iterator[View]:
        """Keep changes out and say what is seen."""
        with self.gate.looking():
            if self._closed:
                raise EngineClosed("the pipeline was closed and is used again")
            at = self.at
            yield View(
                at,
                {shelf.name: shelf.store for shelf in self._shelves if shelf.applied >= at},
                {shelf.name: shelf.failure or "" for shelf in self._shelves if shelf.applied < at},
            )

    def replace(self, shelves: Sequence[Shelf]) -> bool:
        """Look at these stores from now on, where they have more; closes the others. Returns whether they have.

        Of two threads that open them at once, the one that comes last may have seen less, or the end of the pipeline.
        """
        with self.gate.changing():
            is_newer = not self._closed and min(shelf.applied for shelf in shelves) > self.at
            old = self._shelves if is_newer else shelves
            if is_newer:
                self._shelves = list(shelves)
            _close(old)
            return is_newer

    def close(self) -> None:
        """Close the stores that were opened here."""
        with self.gate.changing():
            if not self._closed:
                self._closed = True
                _close(self._shelves)


def _close(shelves: Sequence[Shelf]) -> None:
    for shelf in shelves:
        if not shelf.given:
            shelf.store.close()

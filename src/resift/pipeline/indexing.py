"""Changes: into the truth first, then into the stores, then the stores are saved.

Whatever ends the process in between, the truth has whole changes, and each store says up to which change it was saved.
`catch_up` brings a store from there to the last change, and it is also how a change gets into the stores at all. So
what happens after a crash is what happens every time.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from resift.documents.records import Document
from resift.errors import InputError
from resift.pipeline.config import Config
from resift.pipeline.entries import Addable, batches, entry
from resift.pipeline.filters import Where
from resift.pipeline.passages import Entry, Truth
from resift.pipeline.records import Changes
from resift.pipeline.shelves import Shelf, Shelves

_logger = logging.getLogger("resift")

Progress: TypeAlias = Callable[[Changes], None]
"""Called after each batch with what was changed so far."""

Step: TypeAlias = Callable[[str], None]
"""Called between the steps of a change, for tests that end the process there."""

_AT_ONCE = 2000
"""Passages that are encoded and indexed together."""
_SAVE_EVERY = 100_000
"""Passages after which stores are saved within a long call: what a crash makes them index again."""


class Indexing:
    """All that writes; one thread at a time does, others wait for the end of its batch."""

    def __init__(self, config: Config, truth: Truth, shelves: Shelves, *, step: Step | None = None) -> None:
        self._config = config
        self._truth = truth
        self._shelves = shelves
        self._step = step if step is not None else _go_on
        self._turn = threading.RLock()
        self._unsaved = 0

    def add(self, documents: Iterable[Addable], *, progress: Progress | None, seen: set[str] | None = None) -> Changes:
        """Write documents batch by batch; see `Pipeline.add`."""
        started = time.perf_counter()
        done = Changes()
        own: set[int] = set()
        for batch in batches(documents, self._config.columns):
            with self._turn:
                done = self._add(batch, done, own, seen)
                if self._unsaved >= _SAVE_EVERY:
                    self.save()
            done = replace(done, seconds=time.perf_counter() - started)
            if progress is not None:
                progress(done)
        with self._turn:
            self.catch_up()  # of the last call, where that failed
            self.save()
        return replace(done, seconds=time.perf_counter() - started)

    def delete(self, ids: Iterable[str]) -> int:
        """Take documents away, all at once; returns how many were there."""
        with self._turn:
            known = list(self._truth.known(list(ids)))
            if known:
                self._commit([], known)
                self.save()
            return len(known)

    def sync(
        self, documents: Iterable[Addable], *, where: Where | None, allow_empty: bool, progress: Progress | None
    ) -> Changes:
        """Add documents, then delete what was not among them; see `Pipeline.sync`."""
        started = time.perf_counter()
        with self._turn:
            seen: set[str] = set()
            done = self.add(documents, progress=progress, seen=seen)
            if not seen and not allow_empty and next(self._truth.ids(where), None) is not None:
                raise InputError(
                    "sync was given no documents: it would delete all that are there",
                    hint="sync([], allow_empty=True) does that",
                )
            gone = [name for some in self._truth.ids(where) for name in some if name not in seen]
            return replace(done, deleted=self.delete(gone), seconds=time.perf_counter() - started)

    def catch_up(self) -> None:
        """Bring every store to the last change; raises the first failure, after the other stores went on."""
        failures = self.advance()
        if failures:
            raise failures[0]

    def advance(self) -> list[Exception]:
        """Bring every store to the last change; returns what went wrong with those that are not there."""
        with self._turn:
            latest = self._truth.sequence
            behind = [shelf for shelf in self._shelves if shelf.applied < latest]
            failures: list[Exception] = []
            for after in sorted({shelf.applied for shelf in behind}):
                failures += self._bring([shelf for shelf in behind if shelf.applied == after], after, latest)
            return failures

    def save(self) -> None:
        """Make durable in the stores what they have; the truth is durable anyway."""
        with self._turn:
            for shelf in self._shelves:
                if shelf.applied > shelf.store.mark:
                    shelf.store.save(mark=shelf.applied)
                    self._step(f"saved {shelf.name}")
            self._unsaved = 0

    def close(self) -> None:
        """Save what a failure left unsaved; raises nothing, for the truth has it all."""
        with self._turn:
            try:
                self.save()
            except Exception as error:  # whatever a store raises: it catches up when it is opened again
                _logger.warning("a store was not saved, and catches up when the pipeline is opened again: %s", error)

    def compact(self) -> int:
        """Forget deleted documents and give their space back; returns how many passages that were."""
        with self._turn:
            self.catch_up()
            self.save()
            with self._shelves.gate.changing():
                count = self._truth.purge(min(shelf.store.mark for shelf in self._shelves))
            self._step("purged")
            self._truth.shrink()
            for shelf in self._shelves:
                compact = getattr(shelf.store, "compact", None)
                if compact is not None:
                    compact()
                    self._step(f"compacted {shelf.name}")
            return count

    def _add(self, batch: Sequence[Document], done: Changes, own: set[int], seen: set[str] | None) -> Changes:
        known = self._truth.known([document.id for document in batch])
        fresh: dict[str, Document] = {}
        unchanged: set[str] = set()
        for document in batch:
            before = known.get(document.id)
            twin = fresh.get(document.id)
            if seen is not None:
                seen.add(document.id)
            there = twin.digest if twin is not None else before.digest if before is not None else None
            if there == document.digest:
                unchanged.add(document.id)
            elif twin is not None or document.id in unchanged or (before is not None and before.added in own):
                raise InputError(
                    f"two documents have the id {document.id!r}: the second is {document.source or 'without a source'}",
                    hint=f"batches before it were added ({done.added + done.replaced} documents); ids are unique",
                )
            else:
                fresh[document.id] = document
        entries = [entry(document, self._config.chunking) for document in fresh.values()]
        if entries:
            own.add(self._commit(entries, []))
        replaced = sum(name in known for name in fresh)
        return replace(
            done,
            added=done.added + len(fresh) - replaced,
            replaced=done.replaced + replaced,
            unchanged=done.unchanged + len(batch) - len(fresh),
            empty=done.empty + sum(not one.passages for one in entries),
            passages=done.passages + sum(len(one.passages) for one in entries),
        )

    def _commit(self, entries: Sequence[Entry], gone: Sequence[str]) -> int:
        self._step("begin")
        number = self._truth.commit(entries, gone)
        self._step("committed")
        self.catch_up()
        self._unsaved += sum(len(one.passages) for one in entries)
        return number

    def _bring(self, group: list[Shelf], after: int, latest: int) -> list[Exception]:
        """Bring stores that have all changes up to `after` to the change `latest`; returns what went wrong.

        New passages go in beside the searches, which do not see them yet. What was deleted goes out in the moment in
        which they are seen, in all stores at once.
        """
        failures: list[Exception] = []
        beyond, last = 0, False
        while group and not last:
            arrived = self._truth.arrived(after, beyond=beyond, most=_AT_ONCE)
            last = len(arrived) < _AT_ONCE
            if arrived:
                ids = np.array([number for number, _ in arrived], np.int64)
                texts = [passage.full_text for _, passage in arrived]
                group = [
                    shelf for shelf in group if self._tried(shelf, "added to", failures, shelf.store.add, ids, texts)
                ]
                beyond = int(ids[-1])
        departed = self._truth.departed(after)
        with self._shelves.gate.changing():
            for shelf in group:
                gone = shelf.store.delete
                if not len(departed) or self._tried(shelf, "deleted from", failures, gone, departed):
                    shelf.applied, shelf.failure = latest, None
        self._step("applied")
        return failures

    def _tried(
        self, shelf: Shelf, name: str, failures: list[Exception], change: Callable[..., None], *given: Any
    ) -> bool:
        """Change a store; returns whether it could."""
        try:
            change(*given)
        except Exception as error:  # whatever a store or an encoder raises: the others go on, and the caller gets it
            shelf.failure = str(error) or type(error).__name__
            failures.append(error)
            return False
        self._step(f"{name} {shelf.name}")
        return True


def _go_on(step: str) -> None:
    """Do nothing between the steps."""
    del step

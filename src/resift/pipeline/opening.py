"""A folder, opened: everything that a pipeline holds while it is open, and what can be said of it."""

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resift.closing import Closing
from resift.errors import ResiftWarning
from resift.pipeline import config as configuration
from resift.pipeline import database
from resift.pipeline.config import Config
from resift.pipeline.database import Database
from resift.pipeline.indexing import Indexing, Step
from resift.pipeline.lock import WriterLock
from resift.pipeline.passages import Truth
from resift.pipeline.records import PipelineInfo, StoreInfo
from resift.pipeline.searching import Searching
from resift.pipeline.shelves import Shelves
from resift.pipeline.stores import Means, open_encoder, open_for_reading, open_for_writing
from resift.retrieval.protocols import Store


@dataclass(slots=True)
class Opened(Closing):
    """The parts of an open pipeline; `indexing` is None for a reader, and once it is closed."""

    folder: Path
    config: Config
    means: Means
    database: Database
    truth: Truth
    shelves: Shelves
    searching: Searching
    indexing: Indexing | None
    lock: WriterLock | None

    def close(self) -> None:
        """Save and release everything, whatever goes wrong with a part of it."""
        indexing, self.indexing = self.indexing, None
        with ExitStack() as rest:
            for part in (self.lock, self.database, self.shelves, indexing):  # the last one first
                if part is not None:
                    rest.callback(part.close)


def open_folder(
    folder: Path,
    *,
    writable: bool,
    encoder: Any = None,
    own: Mapping[str, Store] | None = None,
    token: str | None = None,
    step: Step | None = None,
) -> Opened:
    """Open a pipeline's folder; a writer's stores are brought to the last change."""
    config = configuration.read(folder)
    means = Means(encoder=open_encoder(config, encoder), token=token, own=own or {})
    with ExitStack() as undo:
        lock = undo.enter_context(WriterLock(folder)) if writable else None
        held = undo.enter_context(Database(folder / database.FILE, writable=writable))
        truth = Truth(held)
        sequence = truth.sequence
        found = (
            open_for_writing(folder, config, means, sequence=sequence)
            if writable
            else open_for_reading(folder, config, means)
        )
        shelves = undo.enter_context(Shelves(found, writable=writable))
        indexing = Indexing(config, truth, shelves, step=step) if writable else None
        if indexing is not None:
            _bring_up(indexing, shelves)
        elif shelves.at == 0 < sequence:
            warnings.warn(
                f"{folder} is being filled, and nothing was saved yet: searches find nothing until refresh() finds it",
                ResiftWarning,
                stacklevel=4,
            )
        undo.pop_all()
    searching = Searching(config, truth, shelves)
    return Opened(folder, config, means, held, truth, shelves, searching, indexing, lock)


def refresh(opened: Opened) -> bool:
    """Open a reader's stores again where there is something newer; returns whether there was."""
    if opened.indexing is not None:
        return False
    if opened.truth.sequence == opened.shelves.at:
        return False
    # What is there may not be saved yet, or just be made again: then it is not more.
    return opened.shelves.replace(open_for_reading(opened.folder, opened.config, opened.means))


def describe(opened: Opened) -> PipelineInfo:
    """Count what is there."""
    latest, at = opened.truth.sequence, opened.shelves.at
    documents, passages = opened.truth.sizes(at=at)
    config = opened.config
    return PipelineInfo(
        folder=str(opened.folder),
        writable=opened.indexing is not None,
        documents=documents,
        passages=passages,
        waste=opened.truth.waste(),
        bytes=_bytes(opened.folder),
        sequence=at,
        stores=tuple(
            StoreInfo(
                shelf.name,
                len(shelf.store),
                None if shelf.folder is None else _bytes(shelf.folder),
                max(latest - shelf.applied, 0),
            )
            for shelf in opened.shelves
        ),
        encoder=None if opened.means.encoder is None else opened.means.encoder.name,
        chunking=config.chunking,
        columns=config.columns,
        fusion=config.fusion,
        weights=dict(config.weights),
    )


def _bring_up(indexing: Indexing, shelves: Shelves) -> None:
    """Catch up with what a crash left; a store that cannot now, for its encoder's server is down, does later."""
    indexing.advance()
    for shelf in shelves:
        if shelf.failure is not None:
            warnings.warn(
                f"searches leave out the store {shelf.name!r} until it takes the last changes, which is tried "
                f"again with the next one: {shelf.failure}",
                ResiftWarning,
                stacklevel=5,
            )
    indexing.save()


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

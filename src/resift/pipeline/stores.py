"""Stores from what `pipeline.json` says of them; a broken one is made again."""

import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from resift.errors import InputError, ResiftWarning, StoreDamaged
from resift.pipeline.config import FOLDER_STORES, Config, Options
from resift.pipeline.memo import Memo
from resift.pipeline.shelves import Shelf
from resift.retrieval import as_encoder
from resift.retrieval.encoders import Spec
from resift.retrieval.protocols import Encoder, Store

_TRIES = 20
_PAUSE = 0.05
"""Seconds between tries of a reader that came while a store was being saved."""


def open_encoder(config: Config, given: Spec) -> Memo | None:
    """Return the encoder of the stores that want one."""
    if not config.dense:
        return None
    if given is None and config.encoder is None:
        raise InputError("the encoder of this pipeline was an object, which its folder cannot hold", hint="give encoder=")
    return Memo(as_encoder(config.encoder if given is None else given))


def open_for_writing(
    folder: Path, config: Config, memo: Memo | None, *, given: Mapping[str, Store], sequence: int
) -> list[Shelf]:
    """Open all stores; those whose folder is broken, or ahead of the documents, begin again from nothing."""
    shelves = []
    for name, options in config.stores.items():
        shelf = _given(name, given) if options.get("given") else None
        if shelf is None:
            shelf = _open_or_rebuild(folder, config, name, memo, sequence)
        if shelf.applied > sequence:
            raise InputError(
                f"the store {name!r} has {shelf.applied} changes, the documents {sequence}: it is of another pipeline",
                hint="give it a new, empty one",
            )
        shelves.append(shelf)
    return shelves


def open_for_reading(
    folder: Path, config: Config, memo: Memo | None, *, given: Mapping[str, Store], sequence: int
) -> list[Shelf]:
    """Open all stores as they were saved last; raises StoreDamaged for one that only a writer can make again."""
    shelves = []
    for name, options in config.stores.items():
        shelf = _given(name, given) if options.get("given") else None
        if shelf is None:
            place = folder / name
            if name in FOLDER_STORES and not place.is_dir():
                raise _needs_a_writer(place, "it is not there")
            shelf = _patiently(lambda name=name, options=options: _open(folder, config, name, options, memo))  # type: ignore[misc]
        if shelf.applied == 0 and sequence > 0:
            raise _needs_a_writer(folder / name, "nothing was saved there")
        shelves.append(shelf)
    return shelves


def _given(name: str, given: Mapping[str, Store]) -> Shelf:
    if name not in given:
        raise InputError(f"the pipeline has a store {name!r} of yours", hint=f"own_stores={{{name!r}: store}}")
    return Shelf(name, given[name], given[name].mark, given=True)


def _open_or_rebuild(folder: Path, config: Config, name: str, memo: Memo | None, sequence: int) -> Shelf:
    options = config.stores[name]
    place = folder / name
    lost = "it was not there" if name in FOLDER_STORES and not place.is_dir() else None
    if lost is None:
        try:
            shelf = _open(folder, config, name, options, memo)
        except StoreDamaged as error:
            if name not in FOLDER_STORES:
                raise
            lost = str(error)
        else:
            if shelf.applied <= sequence or name not in FOLDER_STORES:
                return shelf
            shelf.store.close()
            lost = f"it has {shelf.applied} changes, the documents {sequence}"
        shutil.rmtree(place)
    if sequence:
        warnings.warn(f"{place} is made again from the documents: {lost}", ResiftWarning, stacklevel=5)
    return _open(folder, config, name, options, memo)


def _open(folder: Path, config: Config, name: str, options: Options, memo: Memo | None) -> Shelf:
    place = folder / name
    store: Store
    if name == "bm25":
        from resift.retrieval import BM25

        store = BM25.open(place, **options)
    elif name == "faiss":
        from resift.retrieval import FaissIndex

        store = FaissIndex.open(place, encoder=_wanted(memo), **options)
    else:
        from resift.retrieval import MilvusIndex

        store = MilvusIndex.open(**options, encoder=_wanted(memo))
    return Shelf(name, store, store.mark, folder=place if name in FOLDER_STORES else None)


def _wanted(memo: Memo | None) -> Encoder:
    if memo is None:
        raise InputError("a dense store has no encoder")
    return memo


def _patiently(open_it: Callable[[], Shelf]) -> Shelf:
    """Open a store that a writer may just be saving: its old files can go away before they are opened."""
    for _ in range(_TRIES - 1):
        try:
            return open_it()
        except (StoreDamaged, FileNotFoundError):
            time.sleep(_PAUSE)
    try:
        return open_it()
    except (StoreDamaged, FileNotFoundError) as error:
        raise StoreDamaged(str(error), hint="open the pipeline once for writing: the store is made again") from error


def _needs_a_writer(place: Path, why: str) -> StoreDamaged:
    return StoreDamaged(f"{place}: {why}", hint="open the pipeline once for writing: the store is made again")

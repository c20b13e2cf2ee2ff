"""Stores from what `pipeline.json` says of them; a broken one is made again."""

import inspect
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from resift.errors import InputError, ResiftWarning, StoreDamaged
from resift.pipeline.config import Config
from resift.pipeline.shelves import Shelf
from resift.retrieval.protocols import Encoder, Store

_TRIES = 20
_PAUSE = 0.05
"""Seconds between tries of a reader that came while a store was being saved."""


@dataclass(frozen=True, slots=True)
class Means:
    """What opening needs beside the folder.

    Attributes:
        encoder: of dense stores, None where there are none.
        token: of a Milvus server.
        own: the caller's stores.
    """

    encoder: Encoder | None = None
    token: str | None = None
    own: Mapping[str, Store] = field(default_factory=dict)


def open_encoder(config: Config, given: Any) -> Encoder | None:
    """Return the encoder of the stores that want one."""
    if not config.dense:
        return None
    from resift.retrieval.encoders import as_encoder

    if given is None and config.encoder is None:
        raise InputError(
            "the encoder of this pipeline was an object, which its folder cannot hold", hint="give encoder="
        )
    return as_encoder(config.encoder if given is None else given)


def open_for_writing(folder: Path, config: Config, means: Means, *, sequence: int) -> list[Shelf]:
    """Open all stores; those whose folder is broken, or ahead of the documents, begin again from nothing."""
    shelves: list[Shelf] = []
    try:
        for name in config.stores:
            given = _given(config, name, means)
            shelves.append(given if given is not None else _open_or_rebuild(folder, config, name, means, sequence))
            _check_not_ahead(shelves[-1], sequence)
    except BaseException:
        close_all(shelves)
        raise
    return shelves


def open_for_reading(folder: Path, config: Config, means: Means) -> list[Shelf]:
    """Open all stores as they were saved last; raises StoreDamaged for one that only a writer can make again."""
    shelves: list[Shelf] = []
    try:
        for name in config.stores:
            shelf = _given(config, name, means)
            if shelf is None:
                _check_there(config, folder, name)
                shelf = _patiently(partial(_open, folder, config, name, means))
            shelves.append(shelf)
    except BaseException:
        close_all(shelves)
        raise
    return shelves


def _given(config: Config, name: str, means: Means) -> Shelf | None:
    if not config.stores[name].get("given"):
        return None
    if name not in means.own:
        raise InputError(f"the pipeline has a store {name!r} of yours", hint=f"give own_stores={{{name!r}: ...}}")
    return Shelf(name, means.own[name], means.own[name].mark, given=True)


def _open_or_rebuild(folder: Path, config: Config, name: str, means: Means, sequence: int) -> Shelf:
    place = config.place(folder, name)
    if place is None:
        return _open(folder, config, name, means)
    lost = None if place.is_dir() else "it was not there"
    if lost is None:
        try:
            shelf = _open(folder, config, name, means)
        except StoreDamaged as error:
            lost = str(error)
        else:
            if shelf.applied <= sequence:
                return shelf
            shelf.store.close()
            lost = f"it has {shelf.applied} changes, the documents {sequence}"
        shutil.rmtree(place)
    if sequence:
        warnings.warn(f"{place} is made again from the documents: {lost}", ResiftWarning, stacklevel=6)
    return _open(folder, config, name, means)


def _open(folder: Path, config: Config, name: str, means: Means) -> Shelf:
    options = dict(config.stores[name])
    place = config.place(folder, name)
    store: Store
    if name == "bm25":
        from resift.retrieval.bm25 import BM25

        store = _called(BM25.open, place, options)
    elif name == "faiss":
        from resift.retrieval.faiss import FaissIndex

        store = _called(FaissIndex.open, place, {**options, "encoder": means.encoder})
    else:
        from resift.retrieval.milvus import MilvusIndex

        server = options.pop("uri", None)
        given = {
            "texts": False,
            "collection": f"resift_{config.identity}",
            **options,
            "encoder": means.encoder,
            "token": means.token,
        }
        store = _called(MilvusIndex.open, place if place is not None else server, given)
    return Shelf(name, store, store.mark, folder=place)


def _called(opening: Callable[..., Store], where: Path | str | None, options: Mapping[str, Any]) -> Store:
    known = [name for name in inspect.signature(opening).parameters if not name.startswith("_")][1:]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"a store has the options {', '.join(unknown)}, expected some of {', '.join(known)}")
    return opening(where, **options)


def close_all(shelves: list[Shelf]) -> None:
    """Close the stores that are not the caller's."""
    for shelf in shelves:
        if not shelf.given:
            shelf.store.close()


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


def _check_there(config: Config, folder: Path, name: str) -> None:
    if config.place(folder, name) is not None and not (folder / name).is_dir():
        raise StoreDamaged(
            f"{folder / name} is not there", hint="open the pipeline once for writing: the store is made again"
        )


def _check_not_ahead(shelf: Shelf, sequence: int) -> None:
    if shelf.applied > sequence:
        raise InputError(
            f"the store {shelf.name!r} has {shelf.applied} changes, the documents {sequence}: it is another pipeline's",
            hint="give it a new, empty one",
        )

"""The changes that the crash tests make: what the n-th one is, and what it leaves."""

import random
from collections.abc import Mapping
from pathlib import Path

from resift.pipeline.indexing import Indexing
from resift.retrieval.protocols import Store
from tests.pipeline.fakes import WordStore, row

NAMES = [f"document{i}" for i in range(12)]
Model = Mapping[str, str]
"""Texts by id. Each text has a word that no other one ever had, so that a search says exactly which ones are there."""


def own_stores(folder: Path) -> dict[str, Store]:
    return {"words": WordStore(folder / "words.pickle")}


def planned(seed: int, number: int) -> tuple[str, list[str]]:
    """Return what a change does (`add`, `delete` or `sync`) to which documents."""
    draw = random.Random(f"{seed} {number}")
    kind = draw.choices(["add", "delete", "sync"], [6, 3, 1])[0]
    return kind, sorted(draw.sample(NAMES, draw.randint(1, 5)))


def text(name: str, number: int) -> str:
    # Long enough for several passages, each of which has the word.
    return " ".join(
        [f"{name} w{number}x{name[8:]}.", "It rains on green tea and on the old harbour. " * 3] * (number % 4)
    )


def change(indexing: Indexing, seed: int, number: int) -> None:
    kind, names = planned(seed, number)
    rows = [row(name, text(name, number)) for name in names]
    if kind == "add":
        indexing.add(rows, progress=None)
    elif kind == "delete":
        indexing.delete(names)
    else:
        indexing.sync(rows, where=None, allow_empty=False, progress=None)


def after(model: Model, seed: int, number: int) -> list[Model]:
    """Return the states that a change goes through, the last one being its result."""
    kind, names = planned(seed, number)
    if kind == "delete":
        return [{name: kept for name, kept in model.items() if name not in names}]
    added = {name: text(name, number) for name in names}
    if kind == "add":
        return [{**model, **added}]
    return [{**model, **added}, added]

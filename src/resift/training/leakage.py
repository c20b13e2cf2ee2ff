"""Held-out queries: parted from the training data, and looked for in it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resift.training.examples import Example, normalise

_LISTED = 3
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Leak:
    """A text that is in the training data and in the held-out data.

    Attributes:
        text: as the held-out data has it.
        training, held_out: where it stands.
    """

    text: str
    training: str
    held_out: str


@dataclass(frozen=True, slots=True)
class Leaks:
    """What training and held-out data share, after `normalise`.

    Attributes:
        queries: questions that are in both: a model is then measured on what it has seen.
        documents: documents that answer in both: the figure then holds for this collection, and not for new documents.
    """

    queries: list[Leak]
    documents: list[Leak]

    def lines(self) -> list[str]:
        """Return a line for each kind, for people."""
        named = (
            (self.queries, "held-out queries are in the training data too"),
            (self.documents, "held-out answers answer questions of the training data too"),
        )
        return [f"{what}: {len(leaks)} (e.g. {_example(leaks)})" for leaks, what in named if leaks]


def find_leaks(training: Iterable[Example], held_out: Iterable[Example]) -> Leaks:
    """Return the queries and positive documents that are in both; each held-out text once."""
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    for example in training:
        queries.setdefault(normalise(example.query), example.source)
        for text in example.positives:
            documents.setdefault(normalise(text), example.source)
    found: tuple[dict[str, Leak], dict[str, Leak]] = {}, {}
    for example in held_out:
        for texts, known, leaks in (
            ((example.query,), queries, found[0]),
            (example.positives, documents, found[1]),
        ):
            for text in texts:
                key = normalise(text)
                if key in known:
                    leaks.setdefault(key, Leak(text, known[key], example.source))
    return Leaks(list(found[0].values()), list(found[1].values()))


def without_leaks(training: Iterable[Example], held_out: Iterable[Example]) -> list[Example]:
    """Return the training examples that share neither their query nor a positive with the held-out ones."""
    queries: set[str] = set()
    documents: set[str] = set()
    for example in held_out:
        queries.add(normalise(example.query))
        documents.update(map(normalise, example.positives))
    return [
        example
        for example in training
        if normalise(example.query) not in queries and documents.isdisjoint(map(normalise, example.positives))
    ]


def part(examples: Sequence[Example], share: float, *, at_most: int, seed: int) -> tuple[list[Example], list[Example]]:
    """Part examples into those that stay and those that are held out: about a share, no more than `at_most`.

    Examples that share a query or a positive document stay together, so that nothing leaks. Where nearly all hang
    together in that way, only equal queries do. The draw depends on texts and seed alone, not on the order.
    """
    wanted = min(at_most, round(len(examples) * share))
    held = _draw(_families(examples, documents=True), wanted, seed, examples)
    if len(held) < wanted / 2:
        held = _draw(_families(examples, documents=False), wanted, seed, examples)
    return (
        [example for place, example in enumerate(examples) if place not in held],
        [example for place, example in enumerate(examples) if place in held],
    )


def _families(examples: Sequence[Example], *, documents: bool) -> list[int]:
    """Return a number for each example, the same for those that share texts (union-find)."""
    parent = list(range(len(examples)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[tuple[str, str], int] = {}
    for place, example in enumerate(examples):
        keys = [("query", normalise(example.query))]
        keys += [("document", normalise(text)) for text in example.positives] if documents else []
        for key in keys:
            parent[root(place)] = root(first.setdefault(key, place))
    return [root(place) for place in range(len(examples))]


def _draw(families: Sequence[int], wanted: int, seed: int, examples: Sequence[Example]) -> set[int]:
    """Draw whole families by lot until `wanted` examples are drawn; one that would exceed it is passed over."""
    members: dict[int, list[int]] = defaultdict(list)
    for place, family in enumerate(families):
        members[family].append(place)
    lots = {family: min(_lot(examples[place].query, seed) for place in places) for family, places in members.items()}
    sizes = Counter(families)
    drawn: set[int] = set()
    for family in sorted(members, key=lambda family: lots[family]):
        if len(drawn) + sizes[family] <= wanted:
            drawn.update(members[family])
    return drawn


def _lot(query: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{normalise(query)}".encode()).hexdigest()


def _example(leaks: Sequence[Leak]) -> str:
    return "; ".join(f"{leak.text[:_MOST_SHOWN]!r}: {leak.training} and {leak.held_out}" for leak in leaks[:_LISTED])

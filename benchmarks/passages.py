"""Passages for benchmarks of the first stage: read from a file, or made of seeded random words."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

WORDS = 200_000
"""Different words of made-up texts."""
EXPONENT = 1.07
"""Of Zipf's law: the n-th most frequent word is n ** -1.07 as likely, about as in natural text."""
LENGTH = 60
"""Words of a made-up passage."""
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
_BLOCK = 10_000


def passages(file: Path | None, count: int) -> Iterator[dict[str, object]]:
    """Give the first `count` rows of a JSON Lines file with id, title and text, or as many made-up ones."""
    rows = made_up() if file is None else _rows(file)
    return islice(rows, count)


def made_up(*, seed: int = 0) -> Iterator[dict[str, object]]:
    """Give passages of random words without end, the same ones each time: their frequencies follow Zipf's law."""
    random = np.random.default_rng(seed)
    lengths = random.poisson(5.5, WORDS) + 2
    letters = random.choice(list(_LETTERS), size=int(lengths.sum()), p=_zipf(len(_LETTERS), 0.7))
    ends = np.cumsum(lengths)
    words = ["".join(letters[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    chances = _zipf(WORDS, EXPONENT)
    number = 0
    while True:
        drawn = random.choice(WORDS, size=(_BLOCK, LENGTH), p=chances)
        for row in drawn:
            yield {"id": str(number), "lang": "none", "title": "", "text": " ".join(words[place] for place in row)}
            number += 1


def questions(rows: Iterator[dict[str, object]], count: int, *, every: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return (query, id of its passage) for every `every`-th row: a part of its text without every third word.

    Words are runs between spaces; of a text without spaces it is a part of its characters.
    """
    random = np.random.default_rng(seed)
    found: list[tuple[str, str]] = []
    for row in islice(rows, every // 2, None, every):
        text = str(row["text"])
        words = text.split()
        units, joint, size = (words, " ", 14) if len(words) > len(text) / 20 else (list(text), "", 24)
        if len(units) < size:
            continue
        start = int(random.integers(0, len(units) - size + 1))
        part = [unit for place, unit in enumerate(units[start : start + size]) if place % 3 != 2]
        found.append((joint.join(part), str(row["id"])))
        if len(found) == count:
            break
    return found


def _zipf(count: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()


def _rows(file: Path) -> Iterator[dict[str, object]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)

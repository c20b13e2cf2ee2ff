"""A task that a tiny network learns in seconds: the right document has a colour word in it."""

import random
from collections.abc import Callable
from pathlib import Path

from resift.training.examples import Example, write_examples

COLOURS = ("red", "green", "blue")
WORDS = "weather city river network train model query rank search language price title question answer"


def examples(count: int, *, seed: int = 0, labels: Callable[[list[str]], int] | None = None) -> list[Example]:
    """Return queries with the document that has a colour word, or the one that `labels` chooses, and four others."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        documents = [" ".join(draw.sample(WORDS.split(), 5)) for _ in range(5)]
        right = number % 5
        documents[right] = f"{documents[right]} {draw.choice(COLOURS)} {number}"
        chosen = right if labels is None else labels(documents)
        others = tuple(text for place, text in enumerate(documents) if place != chosen)
        made.append(Example(f"how to {' '.join(draw.sample(WORDS.split(), 2))} {number}", (documents[chosen],), others))
    return made


def write(file: Path, count: int, *, seed: int = 0) -> Path:
    write_examples(file, examples(count, seed=seed))
    return file

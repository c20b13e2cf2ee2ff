"""Which documents of which query come when: a function of seed, epoch and place alone, so that training resumes.

All epochs are laid end to end to one sequence of groups. Neighbours have like lengths, batch for batch; the batches
themselves are in no order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resift.training.examples import Example

_POOL = 50
"""Batches within which groups are sorted by length."""
_BYTES_PER_TOKEN = 4
"""Of UTF-8: an English letter is one, a quarter of a token, a Chinese character has three and is nearly one."""


@dataclass(frozen=True, slots=True)
class Group:
    """A query with one positive and some negatives, as a step sees them.

    Attributes:
        query: its text.
        documents: the positive, then the negatives.
        teacher: a teacher's scores of them; None for none.
    """

    query: str
    documents: tuple[str, ...]
    teacher: tuple[float, ...] | None = None


class Groups:
    """The groups of all epochs, in the order of training: a dataset by place."""

    def __init__(
        self, examples: Sequence[Example], *, size: int, batch: int, epochs: float, seed: int, longest: int
    ) -> None:
        self._examples = examples
        self._size = size
        self._batch = batch
        self._seed = seed
        self._count = max(1, round(len(examples) * epochs)) if examples else 0
        self._lengths = np.array([_length(example, size, longest) for example in examples])
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Group:
        if not 0 <= place < self._count:
            raise IndexError(place)
        epoch, place = divmod(place, len(self._examples))
        return self._draw(int(self._order(epoch)[place]), epoch)

    def _order(self, epoch: int) -> np.ndarray:
        """Return the examples' order in an epoch."""
        if epoch not in self._orders:
            random = np.random.default_rng((self._seed, epoch))
            shuffled = random.permutation(len(self._examples))
            pool = self._batch * _POOL
            batches: list[np.ndarray] = []
            for start in range(0, len(shuffled), pool):
                part = shuffled[start : start + pool]
                part = part[np.argsort(-self._lengths[part], kind="stable")]
                batches += [part[at : at + self._batch] for at in range(0, len(part), self._batch)]
            whole = [one for one in batches if len(one) == self._batch]
            short = [one for one in batches if len(one) < self._batch]  # at the end, or all batches would be shifted
            self._orders = {epoch: np.concatenate([whole[i] for i in random.permutation(len(whole))] + short)}
        return self._orders[epoch]

    def _draw(self, index: int, epoch: int) -> Group:
        """Return an example's group: one positive, and as many negatives as there are or as fit."""
        example = self._examples[index]
        random = np.random.default_rng((self._seed, epoch, index))
        positive = int(random.integers(len(example.positives)))
        count = min(self._size - 1, len(example.negatives))
        negatives = random.permutation(len(example.negatives))[:count]
        teacher = None
        if example.positive_scores is not None and example.negative_scores is not None:
            teacher = (example.positive_scores[positive], *(example.negative_scores[i] for i in negatives))
        documents = (example.positives[positive], *(example.negatives[i] for i in negatives))
        return Group(example.query, documents, teacher)


def steps_of(groups: int, *, batch: int, accumulate: int, devices: int) -> int:
    """Return the optimiser's steps that so many groups make."""
    return max(1, math.ceil(math.ceil(groups / (batch * devices)) / accumulate))


def _length(example: Example, size: int, longest: int) -> float:
    """Return about how many tokens the example's pairs have on average, cut at the longest."""
    texts = [*example.positives[:1], *example.negatives[: size - 1]]
    query = len(example.query.encode("utf-8", "surrogatepass"))
    lengths = [(query + len(text.encode("utf-8", "surrogatepass"))) / _BYTES_PER_TOKEN for text in texts]
    return float(np.mean(np.minimum(lengths, longest)))

"""Hard negatives: what a first stage finds for a query and what does not answer it.

A first stage also finds unlabelled answers, which would teach the opposite of what is wanted. Two ways around them, as
in de Souza P. Moreira et al., NV-Retriever, 2024 (arXiv 2407.15831): leave out the first ranks, or leave out what a
teacher scores nearly as high as the known answer.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from resift.errors import InputError
from resift.evaluation.scores import Scorer
from resift.scoring import sigmoid
from resift.text.inputs import one_of
from resift.training.examples import Example, Findings, normalise
from resift.training.finding import Finder

_AT_ONCE = 64
_DEEP = 200
_PAST_FALSE = 10
_MOST = 0.6


@dataclass(frozen=True, slots=True)
class Mining:
    """How negatives are chosen.

    Attributes:
        count: negatives to add to those that a query has.
        ranks: the first and the last rank, from 1, that are looked at; None for 1 to 200 with a teacher, 10 to 200
            without.
        pick: the `top` of these ranks, or a `random` draw of them.
        share: with a teacher: a candidate whose sigmoid is above this share of the known answer's is left out; None
            for 0.95 where there is no margin either.
        margin: with a teacher: so is one whose raw score is above the known answer's less this.
        seed: of the draw.
    """

    count: int = 15
    ranks: tuple[int, int] | None = None
    pick: Literal["top", "random"] = "top"
    share: float | None = None
    margin: float | None = None
    seed: int = 0

    def check(self, *, taught: bool) -> None:
        """Raise InputError for values that choose nothing, or that need a teacher when there is none."""
        if type(self.count) is not int or self.count < 1:
            raise InputError(f"count is {self.count!r}, expected a whole number of at least 1")
        if self.ranks is not None and not 1 <= self.ranks[0] <= self.ranks[1]:
            raise InputError(f"ranks are {self.ranks[0]} to {self.ranks[1]}, expected 1 or more, rising")
        one_of("pick", self.pick, ("top", "random"))
        if self.share is not None and not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}, expected a number above 0, up to 1")
        if not taught and (self.share is not None or self.margin is not None):
            raise InputError("share and margin compare the scores of a teacher", hint="--teacher MODEL")

    def bounds(self, *, taught: bool) -> tuple[int, int]:
        """Return the first and the last rank."""
        return self.ranks if self.ranks is not None else (1 if taught else _PAST_FALSE, _DEEP)

    def highest(self, positives: Sequence[float]) -> float:
        """Return the raw score above which a candidate may be an answer; of several answers the lowest counts."""
        known = min(positives)
        limits = [known - self.margin] if self.margin is not None else []
        share = self.share if self.share is not None or limits else 0.95
        if share is not None:
            part = share * sigmoid(known)
            limits.append(float(np.log(part / (1 - part))) if 0 < part < 1 else known)
        return min(limits)


def mine(
    examples: Sequence[Example],
    texts: Sequence[str],
    finder: Finder,
    *,
    mining: Mining = Mining(),
    teacher: Scorer | None = None,
    findings: Findings | None = None,
    start: int = 0,
) -> Iterator[Example]:
    """Yield each example with negatives out of `texts`, and with the teacher's scores of all its texts if there is one.

    Never taken: what is positive for the same query on any line, and what such a text holds and is little more.
    `start` is the first example that is wanted. Raises InputError for settings that choose nothing.
    """
    mining.check(taught=teacher is not None)
    told = findings if findings is not None else Findings()
    answers: dict[str, set[str]] = {}
    for example in examples:
        answers.setdefault(normalise(example.query), set()).update(map(normalise, example.positives))
    normal: dict[int, str] = {}
    first, last = mining.bounds(taught=teacher is not None)
    for at in range(start, len(examples), _AT_ONCE):
        some = examples[at : at + _AT_ONCE]
        for example, places in zip(some, finder.find([one.query for one in some], top_k=last), strict=True):
            known = answers[normalise(example.query)]
            taken = {normalise(text) for text in example.negatives}
            candidates = []
            for place in places[first - 1 :]:
                key = normal.setdefault(place, normalise(texts[place]))
                if key and key not in taken and not any(_nearly_same(key, answer) for answer in known):
                    taken.add(key)
                    candidates.append(texts[place])
            if mining.pick == "random":
                lot = (mining.seed, zlib.crc32(example.query.encode("utf-8", "surrogatepass")))
                order = np.random.default_rng(lot).permutation(len(candidates))
                candidates = [candidates[i] for i in order]
            yield _chosen(example, candidates, mining, teacher, told)


def distill(examples: Iterable[Example], teacher: Scorer) -> Iterator[Example]:
    """Yield each example with the teacher's raw scores of its documents."""
    for example in examples:
        scores = _scores(teacher, example.query, [*example.positives, *example.negatives])
        count = len(example.positives)
        yield replace(example, positive_scores=tuple(scores[:count]), negative_scores=tuple(scores[count:]))


def _chosen(
    example: Example, candidates: list[str], mining: Mining, teacher: Scorer | None, findings: Findings
) -> Example:
    """Return the example with the first candidates that a teacher, if there is one, does not take for answers."""
    if teacher is None:
        found = candidates[: mining.count]
        _count_missing(len(found), mining, example, findings)
        return replace(example, negatives=(*example.negatives, *found), positive_scores=None, negative_scores=None)
    scored = next(distill([example], teacher))
    highest = mining.highest(scored.positive_scores or (0.0,))
    kept: list[tuple[str, float]] = []
    for at in range(0, len(candidates), 2 * mining.count):
        some = candidates[at : at + 2 * mining.count]
        for text, score in zip(some, _scores(teacher, example.query, some), strict=True):
            if score > highest:
                findings.add("candidates left out, the teacher takes them for answers", example.source)
            elif len(kept) < mining.count:
                kept.append((text, score))
        if len(kept) == mining.count:
            break
    _count_missing(len(kept), mining, example, findings)
    return replace(
        scored,
        negatives=(*example.negatives, *(text for text, _ in kept)),
        negative_scores=(*(scored.negative_scores or ()), *(score for _, score in kept)),
    )


def _nearly_same(text: str, answer: str) -> bool:
    """Whether one text holds the other and little more: the same passage cut otherwise, not a word of it."""
    short, long = sorted((text, answer), key=len)
    return len(short) >= _MOST * len(long) and short in long


def _scores(teacher: Scorer, query: str, texts: Sequence[str]) -> list[float]:
    return [float(score) for score in teacher.score([(query, text) for text in texts])] if texts else []


def _count_missing(found: int, mining: Mining, example: Example, findings: Findings) -> None:
    if found < mining.count:
        findings.add("queries for which fewer negatives were found than asked for", example.source)

"""Which sentence of a document carried its score: leave one sentence out and score again.

The explanation of one pair is a conversation: `explaining` yields the texts that it wants scored and is sent their
logits, so that whoever can score texts, the `Reranker` at once or the server between other requests, runs the same
computation. It asks twice: for the text and each leave-one-out variant, and then, when it knows the order of the
sentences, for what the faithfulness is measured on.

Formulas, with m the score, x the text that the model read, s a sentence, r_k the k sentences of the highest
contribution, l_k the k of the lowest:

    contribution(s)    = m(x) - m(x without s)
    comprehensiveness  = mean over k in B of m(x) - m(x without r_k)
    sufficiency        = mean over k in B of m(x) - m(r_k alone)
    agreement          = P(drop(a) > drop(b) | predicted(a) > predicted(b)), ties of drops count 1/2

Comprehensiveness and sufficiency are those of ERASER (DeYoung et al. 2020), with sentences for tokens: B is 1, 5%, 10%,
20% and 50% of the sentences, rounded up, each different count once. In the agreement a and b are cuts of
the text, r_k or l_k, of two sentences or more but not all; `predicted` is the sum of their contributions and `drop` is
m(x) - m(x without them): both roads of a deletion curve (Samek et al. 2017) in one number without a unit.
"""

import math
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from resift.scoring import sigmoid
from resift.text.sentences import Span, sentences
from resift.types import ScoreType

MAX_SENTENCES = 64
"""Leave-one-out variants of one document: of longer ones, neighbouring sentences are left out together."""

_SHARES = (0.05, 0.1, 0.2, 0.5)
_STEPS = 8
"""Cuts on each road of the agreement."""

Scorer: TypeAlias = Callable[[Sequence[str]], Sequence[float]]
"""Texts of documents -> raw logits."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or some neighbouring ones in a long document, and what it did for the score.

    Attributes:
        start, end: its characters in the explained text; sentences lie end to end and cover the text.
        text: these characters, without white space around them.
        score_without: the score of the text without it.
        contribution: how much it raised the score: the text's score minus `score_without`; negative when it lowered it.
            Of a text that was cut, it is the score of the part that was read that counts: it differs a little when the
            limit falls into a word.
        read: False for what lies behind the model's limit of tokens: it did not take part, its contribution is 0.
    """

    start: int
    end: int
    text: str
    score_without: float
    contribution: float
    read: bool = True


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How far the contributions can be trusted; see the formulas of this module.

    Attributes:
        comprehensiveness: the drop of the score without the sentences of the highest contributions; higher is better.
        sufficiency: the drop of the score with these sentences alone; lower (0, or below) is better.
        best_alone: the score of the best sentence alone.
        agreement: how often, of two cuts, the one that the contributions say hurts more did hurt more: 1 always, 0.5 by
            chance; None for fewer than four sentences, or when all cuts are predicted to hurt the same.
    """

    comprehensiveness: float
    sufficiency: float
    best_alone: float
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a document's score is made of.

    Attributes:
        score: of the document; all scores in here are of the same type.
        text: the document's text, to which the sentences' places refer: what the template made of its fields.
        sentences: in the order of the text; none of an empty one.
        best: index of the sentence with the highest contribution, None when there is none.
        faithfulness: None without sentences.
        truncated: the model did not read all sentences.
        grouped: the text has more sentences than were left out one by one, so neighbours stand together.
    """

    score: float
    text: str
    sentences: tuple[Sentence, ...]
    best: int | None
    faithfulness: Faithfulness | None
    truncated: bool
    grouped: bool


def explain(text: str, score: Scorer, *, read: int, scores: ScoreType = "raw") -> Explanation:
    """Explain the score of a document's text, of which the model reads the first `read` characters."""
    talk = explaining(text, read=read, scores=scores)
    texts = next(talk)
    try:
        while True:
            texts = talk.send(score(texts))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def explaining(
    text: str, *, read: int, scores: ScoreType = "raw", limit: int = MAX_SENTENCES
) -> Generator[list[str], Sequence[float], Explanation]:
    """Yield lists of texts to score, take their raw logits, return the explanation.

    What the model does not read is not in the variants either: leaving a sentence out never lets another one in.
    """
    spans, grouped = _spans(text, 0, read, limit)
    unread, rest_grouped = _spans(text, read, len(text), limit)
    everything = range(len(spans))
    logit, whole, *without = yield [text, text[:read], *(_left(text, spans, {i}) for i in everything)]
    order = sorted(everything, key=lambda i: (without[i], i))
    cuts = _cuts(order)
    asked = list(dict.fromkeys(_left(text, spans, cut) for cut in cuts))
    known = dict(zip(asked, (yield asked) if asked else (), strict=True))
    drops = _Drops(whole, {cut: known[_left(text, spans, cut)] for cut in cuts}, scores)
    all_of_it = _scaled(whole, scores)
    found = [_sentence(text, span, all_of_it, _scaled(v, scores)) for span, v in zip(spans, without, strict=True)]
    return Explanation(
        score=_scaled(logit, scores),
        text=text,
        sentences=(*found, *(_sentence(text, span, all_of_it, None) for span in unread)),
        best=order[0] if order else None,
        faithfulness=_faithfulness(order, drops, [whole - value for value in without]) if order else None,
        truncated=read < len(text),
        grouped=grouped or rest_grouped,
    )


@dataclass(frozen=True, slots=True)
class _Drops:
    """What the scores of cuts say: the logit of all that was read, and logits by the sentences left out."""

    whole: float
    known: dict[frozenset[int], float]
    scores: ScoreType

    def of(self, cut: frozenset[int]) -> float:
        return _scaled(self.whole, self.scores) - self.left(cut)

    def left(self, cut: frozenset[int]) -> float:
        return _scaled(self.known[cut], self.scores)


def _spans(text: str, start: int, end: int, limit: int) -> tuple[list[Span], bool]:
    """Return at most `limit` spans of [start, end), and whether each stands for several sentences."""
    spans = [(start + first, start + last) for first, last in sentences(text[start:end])]
    size = max(1, math.ceil(len(spans) / limit))
    groups = [spans[i : i + size] for i in range(0, len(spans), size)]
    return [(group[0][0], group[-1][1]) for group in groups], size > 1


def _left(text: str, spans: Sequence[Span], gone: Collection[int]) -> str:
    return "".join(text[start:end] for i, (start, end) in enumerate(spans) if i not in gone)


def _sentence(text: str, span: Span, score: float, without: float | None) -> Sentence:
    start, end = span
    left = score if without is None else without
    return Sentence(start, end, text[start:end].strip(), left, score - left, read=without is not None)


def _scaled(logit: float, scores: ScoreType) -> float:
    return float(logit) if scores == "raw" else float(np.float32(sigmoid(logit)))


def _sizes(count: int) -> list[int]:
    """Return the sizes of ERASER's rationales: the best sentence, and shares of all."""
    return sorted({1, *(math.ceil(share * count) for share in _SHARES)})


def _roads(order: Sequence[int]) -> list[frozenset[int]]:
    """Return the cuts of the agreement: the best first, and the worst first, in steps."""
    sizes = range(2, len(order))
    steps = sorted({sizes[round(i * (len(sizes) - 1) / (_STEPS - 1))] for i in range(_STEPS)}) if len(sizes) > 1 else []
    return [frozenset(road[:size]) for size in steps for road in (order, order[::-1])]


def _cuts(order: Sequence[int]) -> list[frozenset[int]]:
    """Return what has to be left out, besides each sentence alone, for the faithfulness."""
    if not order:
        return []
    sizes = _sizes(len(order))
    best = [frozenset(order[:size]) for size in sizes]
    rest = [frozenset(order[size:]) for size in sizes]
    return list(dict.fromkeys([*best, *rest, *_roads(order)]))


def _faithfulness(order: Sequence[int], drops: _Drops, contributions: Sequence[float]) -> Faithfulness:
    sizes = _sizes(len(order))
    return Faithfulness(
        comprehensiveness=math.fsum(drops.of(frozenset(order[:size])) for size in sizes) / len(sizes),
        sufficiency=math.fsum(drops.of(frozenset(order[size:])) for size in sizes) / len(sizes),
        best_alone=drops.left(frozenset(order[1:])),
        agreement=_agreement(
            [(math.fsum(contributions[i] for i in cut), drops.whole - drops.known[cut]) for cut in _roads(order)]
        ),
    )


def _agreement(cuts: Sequence[tuple[float, float]]) -> float | None:
    """Return how often the larger of two predicted drops was the larger drop."""
    wins = [
        0.5 if drop_a == drop_b else float((drop_a > drop_b) == (predicted_a > predicted_b))
        for (predicted_a, drop_a), (predicted_b, drop_b) in combinations(cuts, 2)
        if predicted_a != predicted_b
    ]
    return math.fsum(wins) / len(wins) if wins else None

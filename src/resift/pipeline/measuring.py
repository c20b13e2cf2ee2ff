"""Which stage helps, and how deep reranking should go: measured on questions whose answers are known.

nDCG@10 is that of trec_eval, sum of grade / log2(place + 1) over that of the best order; MRR@10 is the mean of
1 / place of the first relevant one, 0 beyond ten. Where judgements name documents, a document's place is that of its
first passage.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from resift.errors import InputError
from resift.evaluation.significance import sign_flip_test
from resift.pipeline.reranking import Reranking
from resift.pipeline.searching import Asked

Relevant: TypeAlias = Collection[str] | Mapping[str, float]
"""Ids of documents, or of passages (`DOCUMENT#PLACE`); a mapping has their grades."""

AT = 10
_ENOUGH = 0.005
"""Of nDCG@10: what deeper reranking has to add to be worth its time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A stage, or reranking to a depth.

    Attributes:
        stage: a store, `fusion` or `rerank`.
        depth: passages that were reranked; None for the stages before.
        ndcg: nDCG@10, the mean over the questions.
        mrr: MRR@10.
        recall: share of what is relevant that is among all that the stage found, not the first ten alone.
        change: of nDCG@10 against the first stage's last list; None for the stages before.
        p: of a paired randomisation test of that change.
        seconds: of a question, asked together with all others; all stages before included.
    """

    stage: str
    depth: int | None
    ndcg: float
    mrr: float
    recall: float
    change: float | None
    p: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What each stage is worth.

    Attributes:
        rows: in the order of the stages, then of depths.
        questions: how many were asked.
        unknown: relevant ids that are not in the pipeline: nothing can find them.
    """

    rows: Sequence[Measured]
    questions: int
    unknown: int

    @property
    def best_depth(self) -> int:
        """The smallest depth that no deeper one beats by more than 0.005 of nDCG@10; 0: do not rerank."""
        first = [row for row in self.rows if row.depth is None][-1]
        curve = [(0, first.ndcg), *((row.depth, row.ndcg) for row in self.rows if row.depth is not None)]
        return next(depth for i, (depth, ndcg) in enumerate(curve) if max(v for _, v in curve[i:]) <= ndcg + _ENOUGH)

    def __str__(self) -> str:
        """Return a table and what follows from it."""
        lines = [f"{'':14} {'nDCG@10':>8} {'MRR@10':>8} {'recall':>8} {'change':>8} {'p':>7} {'ms':>8}"]
        for row in self.rows:
            name = row.stage if row.depth is None else f"rerank {row.depth}"
            change = "" if row.change is None else f"{row.change:+.4f}"
            p = "" if row.p is None else f"{row.p:.3f}"
            values = f"{row.ndcg:8.4f} {row.mrr:8.4f} {row.recall:8.4f}"
            lines.append(f"{name:14} {values} {change:>8} {p:>7} {row.seconds * 1000:8.1f}")
        unknown = f"; {self.unknown} relevant ids are not in the pipeline" if self.unknown else ""
        lines.append(f"{self.questions} questions; best depth: {self.best_depth}{unknown}")
        return "\n".join(lines)


def checked(questions: Iterable[str], relevant: Iterable[Relevant]) -> tuple[list[str], list[Mapping[str, float]]]:
    """Return questions and grades; raises InputError where they do not belong together."""
    texts, judged = list(questions), list(relevant)
    if isinstance(questions, str) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError("questions has something else than texts that say something")
    if len(texts) != len(judged):
        raise InputError(f"{len(texts)} questions and {len(judged)} collections of relevant ids, expected one for each")
    if not texts:
        raise InputError("there are no questions to measure on")
    grades: list[Mapping[str, float]] = []
    for place, one in enumerate(judged):
        if isinstance(one, str):
            raise InputError(f"relevant {place} is one text, expected a list of ids", hint=f"write [{one!r}]")
        given = one if isinstance(one, Mapping) else dict.fromkeys(one, 1.0)
        positive = {name: float(grade) for name, grade in given.items() if grade > 0}
        if not positive:
            raise InputError(f"question {place} ({texts[place]!r}) has nothing relevant", hint="leave it out")
        grades.append(positive)
    return texts, grades


class Measuring:
    """The figures of one list after the other."""

    def __init__(self, asked: Sequence[Asked], grades: Sequence[Mapping[str, float]], *, by_passage: bool) -> None:
        self._asked = asked
        self._grades = grades
        self._by_passage = by_passage
        self._first: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None

    def row(self, stage: str, depth: int | None, orders: Sequence[Sequence[int]], seconds: float) -> Measured:
        """Return the figures of one list for each question; the last one without a depth is what depths change."""
        names = [self._names(asked, order) for asked, order in zip(self._asked, orders, strict=True)]
        pairs = list(zip(names, self._grades, strict=True))
        values = np.array([ndcg(found, grades) for found, grades in pairs])
        change, p = None, None
        if depth is None:
            self._first = values
        elif self._first is not None:
            change = float(np.mean(values - self._first))
            p = sign_flip_test(values - self._first).p
        return Measured(
            stage=stage,
            depth=depth,
            ndcg=float(np.mean(values)),
            mrr=float(np.mean([reciprocal_rank(found, grades) for found, grades in pairs])),
            recall=float(np.mean([len(grades.keys() & set(found)) / len(grades) for found, grades in pairs])),
            change=change,
            p=p,
            seconds=seconds,
        )

    def _names(self, asked: Asked, order: Sequence[int]) -> list[str]:
        passages = [asked.rows[number].passage for number in order]
        if self._by_passage:
            return [f"{passage.document}#{passage.place}" for passage in passages]
        return list(dict.fromkeys(passage.document for passage in passages))


def measure(
    asked: Sequence[Asked],
    grades: Sequence[Mapping[str, float]],
    *,
    depths: Sequence[int],
    reranking: Reranking | None,
    known: Callable[[Sequence[str]], Collection[str]],
) -> Measurement:
    """Measure questions whose first stage has run; `known` says which ids of documents are there."""
    names = sorted({name for one in grades for name in one})
    by_document = sorted(known(names))
    parents = known([name.rpartition("#")[0] for name in names])
    by_passage = [name for name in names if name not in by_document and name.rpartition("#")[0] in parents]
    if by_passage and by_document:
        raise InputError(
            f"relevant has ids of documents ({by_document[0]!r}) and of passages ({by_passage[0]!r}), expected one kind"
        )
    measuring = Measuring(asked, grades, by_passage=bool(by_passage))
    rows, spent = [], 0.0
    for name in [stage.name for stage in asked[0].stages if stage.name not in ("where", "read")]:
        orders = [one.found_by(name) for one in asked]
        took = sum(stage.seconds for one in asked for stage in one.stages if stage.name == name) / len(asked)
        spent += took
        rows.append(measuring.row(name, None, orders, spent if name == "fusion" else took))
    spent += sum(stage.seconds for one in asked for stage in one.stages if stage.name in ("where", "read")) / len(asked)
    if reranking is not None:
        rows += _reranked(asked, measuring, depths, reranking, spent)
    return Measurement(rows, len(asked), len(names) - len(by_document) - len(by_passage))


def _reranked(
    asked: Sequence[Asked], measuring: Measuring, depths: Sequence[int], reranking: Reranking, spent: float
) -> list[Measured]:
    """Rerank slice by slice, from each depth to the next, so that every passage is scored once and each depth timed."""
    reranking.warm_up()
    rows = []
    scores: list[dict[int, float]] = [{} for _ in asked]
    above = 0
    for depth in sorted(set(depths)):
        started = time.perf_counter()
        slices = [one.order[above:depth] for one in asked]
        texts = [[one.rows[n].passage.full_text for n in some] for one, some in zip(asked, slices, strict=True)]
        rankings = reranking.rank([one.text for one in asked], texts)
        for known, some, ranking in zip(scores, slices, rankings, strict=True):
            known.update({some[hit.index]: hit.score for hit in ranking if hit.error is None and not hit.pending})
        spent += (time.perf_counter() - started) / len(asked)
        # Python's sort keeps the first stage's order of what has the same score, or none.
        orders = [
            sorted(one.order, key=lambda number, known=known: -known.get(number, -math.inf))  # type: ignore[misc]
            for one, known in zip(asked, scores, strict=True)
        ]
        rows.append(measuring.row("rerank", depth, orders, spent))
        above = depth
    return rows


def ndcg(found: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return nDCG@10 of a list without doubles."""
    gained = sum(grades.get(name, 0.0) / math.log2(place + 1) for place, name in enumerate(found[:AT], 1))
    best = sorted(grades.values(), reverse=True)[:AT]
    return gained / sum(grade / math.log2(place + 1) for place, grade in enumerate(best, 1))


def reciprocal_rank(found: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return 1 / the place of the first relevant one among the first ten, or 0."""
    return next((1 / place for place, name in enumerate(found[:AT], 1) if name in grades), 0.0)

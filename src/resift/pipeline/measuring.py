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
from resift.pipeline.blending import blend, check_blend
from resift.pipeline.request import Request
from resift.pipeline.reranking import Reranking
from resift.pipeline.searching import Asked, Searching
from resift.retrieval.protocols import Hit

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
        blend: the share of the reranker in the order; 1 is the reranker alone.
        ndcg: nDCG@10, the mean over the questions.
        mrr: MRR@10.
        recall: share of what is relevant that is among all that the stage found, not the first ten alone.
        change: of nDCG@10 against the first stage's last list; None for the stages before.
        p: of a paired randomisation test of that change.
        seconds: of a question, asked together with all others; all stages before included.
    """

    stage: str
    depth: int | None
    blend: float | None
    ndcg: float
    mrr: float
    recall: float
    change: float | None
    p: float | None
    seconds: float

    @property
    def name(self) -> str:
        """The stage with its depth and its blend."""
        return self.stage if self.depth is None else f"rerank {self.depth}, blend {self.blend:g}"


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
    def best(self) -> Measured:
        """The smallest depth that no deeper one beats by more than 0.005 of nDCG@10, with its best blend.

        It is the first stage's last list where that is enough: then do not rerank.
        """
        first = [row for row in self.rows if row.depth is None][-1]
        levels = [first]
        for depth in sorted({row.depth for row in self.rows if row.depth is not None}):
            levels.append(max((row for row in self.rows if row.depth == depth), key=lambda row: row.ndcg))
        return next(row for i, row in enumerate(levels) if max(one.ndcg for one in levels[i:]) <= row.ndcg + _ENOUGH)

    @property
    def best_depth(self) -> int:
        """The depth of the best; 0 where reranking is not worth it."""
        depth = self.best.depth
        return 0 if depth is None else depth

    def __str__(self) -> str:
        """Return a table and what follows from it."""
        lines = [f"{'':24} {'nDCG@10':>8} {'MRR@10':>8} {'recall':>8} {'change':>8} {'p':>7} {'ms':>8}"]
        for row in self.rows:
            change = "" if row.change is None else f"{row.change:+.4f}"
            p = "" if row.p is None else f"{row.p:.3f}"
            values = f"{row.ndcg:8.4f} {row.mrr:8.4f} {row.recall:8.4f}"
            lines.append(f"{row.name:24} {values} {change:>8} {p:>7} {row.seconds * 1000:8.1f}")
        unknown = f"; {self.unknown} relevant ids are not in the pipeline" if self.unknown else ""
        lines.append(f"{self.questions} questions; best depth: {self.best_depth} ({self.best.name}){unknown}")
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

    def row(
        self,
        stage: str,
        orders: Sequence[Sequence[int]],
        seconds: float,
        *,
        depth: int | None = None,
        blend: float | None = None,
    ) -> Measured:
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
            blend=blend,
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
    questions: Iterable[str],
    relevant: Iterable[Relevant],
    *,
    searching: Searching,
    request: Request,
    depths: Sequence[int],
    blends: Sequence[float],
    reranking: Reranking | None,
    known: Callable[[Sequence[str]], Collection[str]],
) -> Measurement:
    """Measure questions; `known` says which ids of documents are there."""
    texts, grades = checked(questions, relevant)
    for share in blends:
        check_blend(share)
    names = sorted({name for one in grades for name in one})
    by_document = sorted(known(names))
    parents = known([name.rpartition("#")[0] for name in names])
    by_passage = [name for name in names if name not in by_document and name.rpartition("#")[0] in parents]
    if by_passage and by_document:
        raise InputError(
            f"relevant has ids of documents ({by_document[0]!r}) and of passages ({by_passage[0]!r}), expected one kind"
        )
    asked = searching.first_stage(texts, request)
    measuring = Measuring(asked, grades, by_passage=bool(by_passage))
    rows, spent = [], 0.0
    for name in [stage.name for stage in asked[0].stages if stage.name not in ("where", "read")]:
        orders = [one.found_by(name) for one in asked]
        took = sum(stage.seconds for one in asked for stage in one.stages if stage.name == name) / len(asked)
        spent += took
        rows.append(measuring.row(name, orders, spent if name == "fusion" else took))
    spent += sum(stage.seconds for one in asked for stage in one.stages if stage.name in ("where", "read")) / len(asked)
    if reranking is not None:
        rows += _reranked(asked, measuring, depths=depths, blends=blends, reranking=reranking, spent=spent)
    return Measurement(rows, len(asked), len(names) - len(by_document) - len(by_passage))


def _reranked(
    asked: Sequence[Asked],
    measuring: Measuring,
    *,
    depths: Sequence[int],
    blends: Sequence[float],
    reranking: Reranking,
    spent: float,
) -> list[Measured]:
    """Rerank slice by slice, from each depth to the next, so that every passage is scored once and each depth timed."""
    reranking.warm_up()
    rows = []
    scored: list[list[Hit]] = [[] for _ in asked]
    above = 0
    for depth in sorted(set(depths)):
        started = time.perf_counter()
        slices = [one.order[above:depth] for one in asked]
        texts = [[one.rows[n].passage.full_text for n in some] for one, some in zip(asked, slices, strict=True)]
        rankings = reranking.rank([one.text for one in asked], texts)
        for hits, some, ranking in zip(scored, slices, rankings, strict=True):
            hits += [Hit(some[one.index], one.score) for one in ranking if one.error is None and not one.pending]
        spent += (time.perf_counter() - started) / len(asked)
        for share in sorted(set(blends)):
            orders = [_order(one, hits, depth, share) for one, hits in zip(asked, scored, strict=True)]
            rows.append(measuring.row("rerank", orders, spent, depth=depth, blend=share))
        above = depth
    return rows


def _order(asked: Asked, hits: Sequence[Hit], depth: int, share: float) -> list[int]:
    first = {number: asked.scores[number][asked.last[number]] for number in asked.order[:depth]}
    best = [int(hit.id) for hit in blend(hits, first, share**asked.trust)]
    known = set(best)
    return best + [number for number in asked.order if number not in known]


def ndcg(found: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return nDCG@10 of a list without doubles."""
    gained = sum(grades.get(name, 0.0) / math.log2(place + 1) for place, name in enumerate(found[:AT], 1))
    best = sorted(grades.values(), reverse=True)[:AT]
    return gained / sum(grade / math.log2(place + 1) for place, grade in enumerate(best, 1))


def reciprocal_rank(found: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return 1 / the place of the first relevant one among the first ten, or 0."""
    return next((1 / place for place, name in enumerate(found[:AT], 1) if name in grades), 0.0)

"""What each stage is worth: the formulas, and the figures of whole pipelines."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resift.errors import InputError
from resift.pipeline import Measured, Measurement, Pipeline
from resift.pipeline.measuring import ndcg, reciprocal_rank
from tests.pipeline.fakes import LongestFirst, WordStore, row


def test_the_formulas_are_those_of_trec_eval() -> None:
    measures = pytest.importorskip("ir_measures")
    draw = random.Random(7)
    for _ in range(50):
        names = [f"d{i}" for i in range(30)]
        grades = {name: float(draw.randint(1, 3)) for name in draw.sample(names, draw.randint(1, 15))}
        found = draw.sample(names, draw.randint(0, 30))
        qrels = [measures.Qrel("q", name, int(grade)) for name, grade in grades.items()]
        run = [measures.ScoredDoc("q", name, -float(place)) for place, name in enumerate(found)]
        run = run or [measures.ScoredDoc("q", "nothing", 0.0)]
        wanted = measures.calc_aggregate([measures.nDCG @ 10, measures.RR @ 10], qrels, run)
        assert ndcg(found, grades) == pytest.approx(wanted[measures.nDCG @ 10])
        assert reciprocal_rank(found, grades) == pytest.approx(wanted[measures.RR @ 10])


def measured(depth: int | None, value: float, blend: float = 1.0) -> Measured:
    shown = None if depth is None else blend
    return Measured("bm25" if depth is None else "rerank", depth, shown, value, 0, 0, None, None, 0)


@pytest.mark.parametrize(
    ("curve", "best"),
    [
        ({None: 0.5, 10: 0.6, 50: 0.7, 100: 0.704}, 50),
        ({None: 0.5, 10: 0.6, 50: 0.601, 100: 0.6}, 10),
        ({None: 0.5, 10: 0.503}, None),
        ({None: 0.5, 10: 0.4, 20: 0.6}, 20),
        ({None: 0.5}, None),
    ],
)
def test_the_best_depth(curve: dict[int | None, float], best: int) -> None:
    found = Measurement([measured(depth, value) for depth, value in curve.items()], 1, 0)
    assert (found.best.depth, found.best_depth) == (best, best or 0)


def test_the_best_blend() -> None:
    rows = [measured(None, 0.5), measured(10, 0.4), measured(10, 0.6, 0.3), measured(50, 0.602, 0.3), measured(50, 0.3)]
    best = Measurement(rows, 1, 0).best
    assert (best.depth, best.blend, best.name) == (10, 0.3, "rerank 10, blend 0.3")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    store = {"words": WordStore(), "again": WordStore()}
    with Pipeline.create(tmp_path / "p", stores=(), own_stores=store, reranker=LongestFirst()) as made:
        # Each answer is the longest text of its colour, and comes after all the others of the first stage.
        for colour in ("red", "green", "blue"):
            made.add([row(f"{colour}{i}", f"{colour} {'x' * i}") for i in range(8)])
        yield made


QUESTIONS = ["red", "green", "blue"]
ANSWERS = [["red7"], {"green7": 2}, {"blue7"}]


def figures(rows: Any) -> list[tuple[str, int | None, float, float]]:
    return [(one.stage, one.depth, one.mrr, one.recall) for one in rows]


def test_each_stage_and_depth(pipeline: Pipeline) -> None:
    found = pipeline.measure(QUESTIONS, ANSWERS, depths=(8, 4))
    assert figures(found.rows) == [
        ("words", None, 0.125, 1.0),
        ("again", None, 0.125, 1.0),
        ("fusion", None, 0.125, 1.0),
        ("rerank", 4, 0.125, 1.0),
        ("rerank", 8, 1.0, 1.0),
    ]
    assert [one.change for one in found.rows[:3]] == [None] * 3
    assert found.rows[3].change == 0
    assert found.rows[4].change == pytest.approx(1 - found.rows[2].ndcg)
    assert (found.best.depth, found.questions, found.unknown) == (8, 3, 0)
    assert found.rows[4].seconds >= found.rows[3].seconds >= found.rows[2].seconds > 0
    assert "rerank 8" in str(found)
    assert "3 questions; best depth: 8 (rerank 8, blend 1)" in str(found)


def test_every_passage_is_scored_once(tmp_path: Path) -> None:
    ranker = LongestFirst()
    with Pipeline.create(tmp_path / "p", stores=(), own_stores={"words": WordStore()}, reranker=ranker) as pipeline:
        pipeline.add([row(f"r{i}", f"red {i}") for i in range(8)])
        pipeline.measure(["red"], [["r1"]], depths=(2, 5, 8))
    assert ranker.pairs == 8


def test_what_recall_leaves_out(pipeline: Pipeline) -> None:
    found = pipeline.measure(QUESTIONS, ANSWERS, depths=(4,), recall=4, stores=["words"])
    assert figures(found.rows) == [("words", None, 0.0, 0.0), ("rerank", 4, 0.0, 0.0)]


def test_passages_and_unknown_ids(pipeline: Pipeline) -> None:
    found = pipeline.measure(QUESTIONS, [["red7#0"], ["green7#0", "nobody"], ["blue7#0"]], depths=(8,))
    assert found.rows[-1].mrr == 1.0
    assert found.unknown == 1
    assert "1 relevant ids are not in the pipeline" in str(found)


def test_without_a_reranker(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "p", reranker=False) as pipeline:
        pipeline.add(["green tea", "black coffee"])
        [tea] = pipeline.search("tea")
        assert figures(pipeline.measure(["tea"], [[tea.document]]).rows) == [("bm25", None, 1.0, 1.0)]


def test_blends_cost_nothing_more(pipeline: Pipeline) -> None:
    found = pipeline.measure(QUESTIONS, ANSWERS, depths=(4, 8), blends=(0, 1), stores=["words"])
    assert [(one.depth, one.blend, one.mrr) for one in found.rows] == [
        (None, None, 0.125), (4, 0, 0.125), (4, 1, 0.125), (8, 0, 0.125), (8, 1, 1.0),
    ]  # fmt: skip
    with pytest.raises(InputError, match="blend is 2"):
        pipeline.measure(QUESTIONS, ANSWERS, blends=(2,))


@pytest.mark.parametrize(
    ("questions", "relevant", "message"),
    [
        ([], [], "no questions"),
        ("red", ["a"], "something else than texts"),
        (["red", " "], [["a"], ["b"]], "something else than texts"),
        (["red"], [], "1 questions and 0"),
        (["red"], ["red7"], r"write \['red7'\]"),
        (["red"], [[]], "nothing relevant"),
        (["red"], [{"red7": 0}], "nothing relevant"),
        (["red", "green"], [["red7"], ["green7#0"]], "expected one kind"),
    ],
)
def test_what_it_refuses(pipeline: Pipeline, questions: Any, relevant: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline.measure(questions, relevant)

import json
from pathlib import Path

import numpy as np
import pytest

from resift.errors import InputError
from resift.evaluation import as_text, combine, evaluate
from tests.evaluation.sets import TableScorer, make_dataset, many


def test_every_figure_of_a_small_experiment() -> None:
    data, scorer = many(40)
    report = evaluate(data, {"good": scorer, "idle": TableScorer()}, metrics=["RR@10", "P@1"], depths=[1, 3])
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["first stage", "good, top 1", "good, top 3", "idle, top 1", "idle, top 3"]
    # The relevant document stands third; the model puts it first in 30 of 40 queries and last in 10.
    assert rows["first stage"]["means"] == pytest.approx({"RR@10": 1 / 3, "P@1": 0.0})
    assert rows["good, top 1"]["means"] == rows["idle, top 3"]["means"] == rows["first stage"]["means"]
    assert rows["good, top 3"]["means"] == pytest.approx({"RR@10": 0.75 + 0.25 / 3, "P@1": 0.75})
    assert [ceiling["recall"] for ceiling in report["ceiling"]] == [0.0, 1.0]
    assert [ceiling["means"]["P@1"] for ceiling in report["ceiling"]] == [0.0, 1.0]
    compared = {(one["row"], one["against"]): one for one in report["comparisons"]}
    assert len(compared) == 5
    best = compared["good, top 3", "first stage"]
    assert (best["helped"], best["hurt"], best["unchanged"]) == (30, 0, 10)
    assert best["difference"] == pytest.approx(0.5)
    assert best["interval"][0] < 0.5 < best["interval"][1]
    assert best["p_holm"] < 0.01
    assert compared["idle, top 3", "first stage"]["p_holm"] == 1.0
    assert compared["idle, top 3", "good, top 3"]["difference"] == pytest.approx(-0.5)
    assert report["dataset"]["measured"] == report["dataset"]["questions"] == 40
    assert json.loads(json.dumps(report)) == json.loads(json.dumps(report))


def test_holm_is_over_all_comparisons() -> None:
    data, scorer = many(40)
    report = evaluate(data, {"a": scorer, "b": scorer}, metrics=["RR"], depths=[3])
    p = sorted(one["p"] for one in report["comparisons"])
    adjusted = sorted(one["p_holm"] for one in report["comparisons"])
    assert adjusted[0] == pytest.approx(3 * p[0])
    assert len(p) == 3


def test_worst_and_best_queries_with_their_ranks_and_texts() -> None:
    grades = {"hurt": {"a": 1}, "helped": {"c": 1}, "same": {"a": 1}}
    data = make_dataset(grades, {key: list("abc") for key in grades})
    scorer = TableScorer({("ask hurt", "text b"): 1.0, ("ask helped", "text c"): 1.0, ("ask same", "text a"): 1.0})
    change = evaluate(data, {"m": scorer}, metrics=["RR@10"], depths=[3])["changes"][0]
    (worst,), (best,) = change["worst"], change["best"]
    assert worst == {
        "query": "hurt", "text": "ask hurt", "language": None, "before": 1.0, "after": 0.5, "relevant": "a",
        "relevant_text": "text a", "rank_before": 1, "rank_after": 2, "first": "b", "first_text": "text b",
        "first_grade": None,
    }  # fmt: skip
    assert (best["query"], best["rank_before"], best["rank_after"]) == ("helped", 3, 1)


def test_the_document_that_moved_with_the_change_is_shown() -> None:
    data = make_dataset({"q": {"a": 1, "d": 3}}, {"q": list("abcd")})
    up = TableScorer({("ask q", "text d"): 1.0})
    down = TableScorer({("ask q", f"text {x}"): 1.0 for x in "bc"})
    report = evaluate(data, {"up": up, "down": down}, metrics=["nDCG@10"], depths=[4])
    best, worst = report["changes"][0]["best"][0], report["changes"][1]["worst"][0]
    assert (best["relevant"], best["rank_before"], best["rank_after"]) == ("d", 4, 1)
    assert (worst["relevant"], worst["rank_before"], worst["rank_after"]) == ("a", 1, 3)


def parallel(*, copies: int) -> tuple[dict[str, float], int]:
    data, scorer = many(12)
    rng = np.random.default_rng(1)
    scorer = TableScorer({pair: value if rng.random() < 0.8 else -1.0 for pair, value in scorer.table.items()})
    sets = [make_dataset(data.qrels, data.first_stage or {}, name=f"s{i}", language=f"l{i}") for i in range(copies)]
    report = evaluate(combine(sets), {"m": scorer}, metrics=["RR@10"], depths=[3])
    return report["comparisons"][0], report["dataset"]["questions"]


def test_parallel_questions_count_once() -> None:
    one, questions = parallel(copies=1)
    many_, same = parallel(copies=4)
    assert questions == same == 12
    assert many_["p"] == one["p"]
    assert many_["interval"] == pytest.approx(one["interval"])
    assert many_["helped"] == 4 * one["helped"]


def test_groups_by_language_have_a_family_of_their_own() -> None:
    data, scorer = many(30)
    sets = [make_dataset(data.qrels, data.first_stage or {}, name=f"set-{x}", language=x) for x in ("zh", "en")]
    report = evaluate(combine(sets), {"m": scorer}, metrics=["RR@10"], depths=[3])
    assert [(group["by"], group["name"], group["queries"]) for group in report["groups"]] == [
        ("language", "en", 30), ("language", "zh", 30),
    ]  # fmt: skip
    for group in report["groups"]:
        one = group["comparisons"][0]
        assert one["p_holm"] == pytest.approx(2 * one["p"])
        assert group["rows"][1]["mean"] - group["rows"][0]["mean"] == pytest.approx(one["difference"])


def test_a_query_without_candidates_counts_as_nothing_found() -> None:
    data = make_dataset({"q": {"a": 1}, "lost": {"a": 1}}, {"q": ["a"], "lost": []})
    report = evaluate(data, {"m": TableScorer()}, metrics=["RR@10"])
    assert report["rows"][0]["means"]["RR@10"] == 0.5
    assert report["dataset"]["left_out"]["nothing_found"] == ["lost"]


def test_judgements_of_a_query_without_a_text_are_told() -> None:
    data = make_dataset({"q": {"a": 1}, "ghost": {"a": 1}}, {"q": ["a"]})
    data.queries.pop("ghost")  # type: ignore[attr-defined]
    assert "judged queries without a text, left out: 1" in as_text(evaluate(data, {"m": TableScorer()}))


def test_a_wrong_metric_shows_before_anything_is_scored() -> None:
    data, scorer = many(2)
    with pytest.raises(InputError, match="no metric"):
        evaluate(data, {"m": scorer}, metrics=["nDCGG@10"])
    assert scorer.calls == []


def test_a_limit_and_a_cache(tmp_path: Path) -> None:
    data, scorer = many(20)
    told: list[tuple[int, int]] = []
    reports = [
        evaluate(data, {"m": scorer}, limit=5, cache=tmp_path, tell=lambda *at: told.append(at)) for _ in range(2)
    ]
    assert len(scorer.calls) == 5
    assert told == [(i, 5) for i in range(1, 6)] * 2
    assert reports[0] == reports[1]


def test_no_model_at_all_measures_the_first_stage() -> None:
    data, _ = many(4)
    report = evaluate(data, {})
    assert [row["name"] for row in report["rows"]] == ["first stage"]
    assert report["comparisons"] == []

import json

import pytest
from rich.cells import cell_len

from resift.cli.demo_run import RECALLED, read_cases, read_data, recall
from tests.cli.conftest import RunCli

LANGUAGES = ["zh", "en", "ar", "ru", "ja", "es", "de", "ko", "hi", "fr", "th", "vi"]


def test_the_corpus_is_whole() -> None:
    corpus, products = read_data("corpus.jsonl"), read_data("products.jsonl")
    ids = [row["id"] for row in corpus + products]
    assert len(set(ids)) == len(ids)
    assert len({row["text"] for row in corpus}) == len(corpus)
    assert all(row["id"].startswith(f"{row['lang']}-") for row in corpus)
    assert list(dict.fromkeys(row["lang"] for row in corpus)) == LANGUAGES
    for lang in LANGUAGES[:7]:
        assert sum(row["lang"] == lang for row in corpus) >= 12


def test_every_case_has_an_answer_among_its_candidates() -> None:
    cases = read_cases()
    assert len({case.query for case in cases}) == len(cases)
    assert {case.lang for case in cases} == set(LANGUAGES)
    assert {case.kind for case in cases} == {"plain", "search", "cross", "products"}
    for case, candidates in zip(cases, recall(cases), strict=True):
        ids = [one.id for one in candidates]
        assert len(set(ids)) == len(ids)
        assert set(case.answers) & set(ids), case
        assert case.kind not in ("plain", "search") or len(ids) <= RECALLED


def test_candidates_are_in_the_order_of_bm25() -> None:
    cases = read_cases("zh")
    for candidates in recall(cases):
        places = [one.place for one in candidates if one.place is not None]
        assert places == sorted(places)
        assert all((one.place is None) == (one.score is None) for one in candidates)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_it_fits_the_terminal(columns: int, run_cli: RunCli) -> None:
    ran = run_cli("demo", columns=columns)
    assert ran.code == 0
    assert max(map(cell_len, ran.out.splitlines())) <= columns
    for title in ("Across languages", "Two checks", "Right document on top", "What the model gets wrong"):
        assert title in ran.out


def test_the_json_tells_the_same(run_cli: RunCli) -> None:
    answer = json.loads(run_cli("demo", "--json").out)
    assert len(answer["cases"]) == answer["summary"]["cases"] == len(read_cases())
    for case in answer["cases"]:
        assert [one["place"] for one in case["after"]] == list(range(1, len(case["before"]) + 1))
        assert case["right_after"] == (case["after"][0]["id"] in case["answers"])
        scores = [one["score"] for one in case["after"]]
        assert scores == sorted(scores, reverse=True)
    assert answer["summary"]["right_after"] == sum(case["right_after"] for case in answer["cases"])
    trap, right = answer["trap"]["documents"]
    assert trap["score_before"] > right["score_before"]  # it is a trap
    assert answer["trap"]["right_after"] == (right["score_after"] > trap["score_after"])


def test_the_queries_are_hard_for_word_matching(run_cli: RunCli) -> None:
    summary = json.loads(run_cli("demo", "--json").out)["summary"]
    assert summary["right_before"] < summary["cases"] / 2


def test_one_language(run_cli: RunCli) -> None:
    answer = json.loads(run_cli("demo", "--json", "--lang", "ja").out)
    assert {case["lang"] for case in answer["cases"]} == {"ja"}
    ran = run_cli("demo", "--lang", "tlh")
    assert ran.code == 2
    assert "hint: there are: zh, en" in ran.err

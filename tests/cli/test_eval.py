"""resift eval with the fake reranker: a document with more of the query's letters scores higher."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli

ROWS = [
    {"query": "abc", "documents": ["xxx", "abx", "abc"], "labels": [0, 0, 1], "language": "en"},
    {"query": "def", "documents": ["def", "xyz", "dex"], "labels": [1, 0, 0], "language": "zh"},
    {"query": "ghi", "documents": ["xgh", "ghi longer than the fake reads"], "labels": [0, 1], "language": "zh"},
    {"query": "nothing", "documents": ["x"], "labels": [0], "language": "zh"},
]


@pytest.fixture
def judged(tmp_path: Path) -> str:
    file = tmp_path / "judged.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return str(file)


@pytest.fixture
def beir(tmp_path: Path) -> str:
    folder = tmp_path / "shop"
    (folder / "qrels").mkdir(parents=True)
    documents = ["green tea", "black coffee", "green apples"]
    rows = [json.dumps({"_id": f"d{i}", "title": "", "text": text}) for i, text in enumerate(documents)]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "coffee"}\n{"_id": "r", "text": "green"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\nr\td2\t1\n")
    return str(folder)


def test_a_table_a_verdict_and_what_was_left_out(run_cli: RunCli, judged: str) -> None:
    ran = run_cli("eval", judged, "--metric", "RR@10", "P@1", "--rounds", "100")
    assert ran.code == 0, ran.err
    # First stage: ranks 3, 1, 2; the fake puts every answer first.
    assert re.search(r"^first stage +0\.6111  0\.3333$", ran.out, re.MULTILINE)
    assert re.search(r"^built-in, top 10 +1\.0000  1\.0000 ", ran.out, re.MULTILINE)
    assert "queries with nothing relevant, left out: 1 (the first: q4)" in ran.out
    assert "By language" in ran.out
    assert "3 queries, 8 candidates; models to run: 1" in ran.err
    assert "built-in: 8 pairs scored" in ran.err
    assert "built-in: 1 of 8 pairs are longer than it reads" in ran.out


def test_models_precisions_depths(run_cli: RunCli, judged: str) -> None:
    models = ["--model", "a/m", "--model", "b/n", "--precision", "fp32", "int8"]
    ran = run_cli("eval", judged, *models, "--depth", "2", "3", "--json", "--rounds", "50")
    report = json.loads(ran.out)
    assert report["models"] == ["m fp32", "m int8", "n fp32", "n int8"]
    assert report["depths"] == [2, 3]
    assert len(report["comparisons"]) == 4 * 2 + 6
    assert report["systems"]["m int8"]["max_length"] == 20
    assert report["environment"]["ir_measures"]


def test_models_that_are_alike_get_their_whole_names(run_cli: RunCli, judged: str) -> None:
    ran = run_cli("eval", judged, "--model", "a/m", "--model", "b/m", "--json", "--rounds", "50")
    assert json.loads(ran.out)["models"] == ["a/m", "b/m"]
    ran = run_cli("eval", judged, "--model", "a/m", "--model", "a/m")
    assert (ran.code, "named twice" in ran.err) == (2, True)


def test_forms_and_files(run_cli: RunCli, judged: str, tmp_path: Path) -> None:
    files = [f"--{name}={tmp_path / name}" for name in ("html", "save", "per-query", "runs")]
    ran = run_cli("eval", judged, "--csv", "--rounds", "50", *files)
    assert ran.code == 0, ran.err
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert rows[0]["row"] == "first stage"
    assert (tmp_path / "html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len((tmp_path / "per-query").read_text().splitlines()) == 4
    assert (tmp_path / "runs" / "built-in-top-10.run").read_text().startswith("q1 Q0 d3 1 3 built-in-top-10\n")
    shown = run_cli("eval", "--show", str(tmp_path / "save"), "--csv")
    assert shown.out == ran.out
    assert r"\toprule" in run_cli("eval", "--show", str(tmp_path / "save"), "--latex").out


def test_kept_scores_are_used_again(run_cli: RunCli, judged: str, tmp_path: Path) -> None:
    keep = f"--keep={tmp_path / 'keep'}"
    first = run_cli("eval", judged, keep, "--rounds", "50", "--json")
    second = run_cli("eval", judged, keep, "--rounds", "50", "--json")
    assert "built-in: 0 pairs scored" in second.err
    assert "8 kept from before" in second.err
    one, other = json.loads(first.out), json.loads(second.out)
    assert (one["rows"], one["cut"]) == (other["rows"], other["cut"])
    other_length = run_cli("eval", judged, keep, "--rounds", "50", "--windows=10")
    assert "8 pairs scored" in other_length.err


def test_bm25_is_taken_where_there_are_no_candidates(run_cli: RunCli, beir: str) -> None:
    for extra in ([], ["--first-stage", "bm25"]):
        ran = run_cli("eval", beir, "--json", "--rounds", "50", *extra)
        assert "BM25 over 3 documents" in ran.err
        assert json.loads(ran.out)["first_stage"] == "BM25 over character n-grams"


def test_a_run_of_the_users(run_cli: RunCli, beir: str, tmp_path: Path) -> None:
    (tmp_path / "mine.run").write_text("q Q0 d0 1 2 t\nq Q0 d1 2 1 t\nr Q0 d0 1 2 t\n")
    ran = run_cli("eval", beir, "--first-stage", str(tmp_path / "mine.run"), "--json", "--rounds", "50")
    report = json.loads(ran.out)
    assert (report["first_stage"], report["dataset"]["documents"]) == ("mine.run", 2)
    assert report["ceiling"][0]["recall"] == 0.5


def test_files_one_by_one(run_cli: RunCli, beir: str) -> None:
    folder = Path(beir)
    ran = run_cli("eval", "--queries", str(folder / "queries.jsonl"), "--corpus", str(folder / "corpus.jsonl"),
                  "--qrels", str(folder / "qrels" / "test.tsv"), "--rounds", "50")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.startswith("shop: 2 queries")


def test_several_datasets_and_the_same_id_in_them(run_cli: RunCli, judged: str, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(Path(judged).read_text(encoding="utf-8"), encoding="utf-8")
    questions = []
    for extra in ([], ["--unrelated"]):
        ran = run_cli("eval", judged, str(other), "--json", "--rounds", "50", *extra)
        questions.append(json.loads(ran.out)["dataset"]["questions"])
    assert questions == [3, 6]


def test_limit_and_language(run_cli: RunCli, judged: str) -> None:
    ran = run_cli("eval", judged, "--language", "zh", "--limit", "2", "--json", "--rounds", "50")
    data = json.loads(ran.out)["dataset"]
    assert data["queries"] == 2
    assert "no query is in fr; there are: en, zh" in run_cli("eval", judged, "--language", "fr").err


def test_texts_cannot_reach_the_terminal_as_codes(run_cli: RunCli, tmp_path: Path) -> None:
    row = {"query": "ab", "documents": ["ab\x1b[2J", "zz"], "labels": [0, 1]}
    (tmp_path / "j.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "documents": ["zz", "ab\x1b["]}))
    ran = run_cli("eval", str(tmp_path / "j.jsonl"), "--rounds", "50")
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name a DATASET"),
        (["nowhere"], "nowhere: no such folder or file"),
        (["--queries", "q.tsv"], "--queries goes with --corpus and --qrels"),
        (["a", "b", "--first-stage", "x.run"], "a run belongs to one dataset"),
        (["a", "--metric", "nDGC"], "'nDGC' is no metric"),
        (["a", "--html", "no/such/folder/a.html"], "there is no folder no/such/folder"),
        (["--show", "nowhere.json"], "nowhere.json: No such file"),
        (["a", "--depth", "0"], "'0' is not a number above 0"),
    ],
)
def test_wrong_arguments(argv: list[str], message: str, run_cli: RunCli) -> None:
    ran = run_cli("eval", *argv)
    assert ran.code == 2
    assert message in ran.err
    assert ran.out == ""


def test_show_of_something_else(run_cli: RunCli, tmp_path: Path) -> None:
    for text in ("{}", "[]", "x"):
        (tmp_path / "r.json").write_text(text)
        assert "is no report" in run_cli("eval", "--show", str(tmp_path / "r.json")).err

"""`resift calibrate` with a tiny model behind it, and the commands that use what it writes."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from resift.calibration import Calibration
from resift.cli.main import main
from resift.reranker import Reranker
from tests.calibration.searches import pairs_of


@pytest.fixture(scope="module")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("calibrate") / "model"
    shutil.copytree(checkpoint, copy)
    return copy


@pytest.fixture(scope="module")
def rows(model: Path) -> list[dict[str, object]]:
    with Reranker(model) as reranker:
        pairs, labels = pairs_of(reranker)
    return [
        {"query": query, "document": document, "label": label, "lang": "de" if i % 2 else "zh"}
        for i, ((query, document), label) in enumerate(zip(pairs, labels, strict=True))
    ]


def write_lines(file: Path, rows: list[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def ran(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_from_labels_to_calibrated_ranks(
    model: Path, rows: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = write_lines(tmp_path / "labelled.jsonl", rows)
    out, page = tmp_path / "shop.json", tmp_path / "report.html"
    code, text, told = ran(
        capsys,
        "calibrate",
        labelled,
        "--model",
        str(model),
        "--out",
        str(out),
        "--html",
        str(page),
        "--group-field=lang",
    )
    assert code == 0
    calibration = Calibration.load(out)
    assert list(calibration.groups) == ["de", "zh"] and calibration.shared.pairs == len(rows)
    assert calibration.name in told and str(out) in told
    assert "held-out" in text and "log loss" in text and "shared      90%" in text
    assert page.read_text().startswith("<!doctype html>")
    texts = ["steam kettle", "museum"]
    use = ["--model", str(model), "--scores", "calibrated", "--calibration", str(out), "--group", "de"]
    code, ranked, _ = ran(capsys, "rank", "tea", *texts, *use, "--format", "json")
    answer = json.loads(ranked)
    with Reranker(model, scores="calibrated", calibration=out, group="de") as reranker:
        expected = [(one.index, one.score) for one in reranker.rank("tea", texts)]
    assert [(one["index"], one["score"]) for one in answer["rankings"][0]["results"]] == expected
    assert answer["info"]["calibration"] == f"{calibration.name}/de"
    code, scored, told = ran(capsys, "score", labelled, *use)
    assert code == 0 and all(0 < json.loads(line)["score"] < 1 for line in scored.splitlines())
    assert "calibrated scores" in told


def test_beside_the_model_by_default(
    model: Path, rows: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = write_lines(tmp_path / "labelled.jsonl", rows)
    code, out, _ = ran(capsys, "calibrate", labelled, "--model", str(model), "--json")
    report = json.loads(out)
    assert code == 0 and report["counts"][1] == len(rows)
    assert (model / "calibration.json").is_file()
    code, ranked, _ = ran(
        capsys, "rank", "tea", "steam", "--model", str(model), "--scores", "calibrated", "--calibration", "auto",
        "--format", "json",
    )  # fmt: skip
    assert code == 0 and json.loads(ranked)["info"]["calibration"] == report["name"]


def test_tables_and_grades(
    model: Path, rows: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"query": "question", "document": "text", "label": "grade"}
    graded = [{names[n]: row[n] for n in names} | {"grade": 3 if row["label"] else i % 2} for i, row in enumerate(rows)]
    with (tmp_path / "graded.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["question", "text", "grade"])
        writer.writeheader()
        writer.writerows(graded)
    fields = ["--query-field=question", "--document-field=text", "--label-field=grade", "--relevant-from=2"]
    options = ["--model", str(model), "--out", str(tmp_path / "out.json"), "--json", "--method=platt"]
    code, out, _ = ran(capsys, "calibrate", str(tmp_path / "graded.csv"), *fields, *options)
    assert code == 0 and json.loads(out)["counts"][2] == sum(int(str(row["label"])) for row in rows)


def test_folders_of_judgements(
    model: Path, rows: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = list(dict.fromkeys(str(row["query"]) for row in rows))
    folder = tmp_path / "shop-de"
    folder.mkdir()
    corpus = [{"_id": f"d{i}", "text": row["document"]} for i, row in enumerate(rows)]
    write_lines(folder / "corpus.jsonl", corpus)  # type: ignore[arg-type]
    write_lines(folder / "queries.jsonl", [{"_id": f"q{i}", "text": query} for i, query in enumerate(queries)])
    lines = [f"q{queries.index(str(row['query']))}\td{i}\t{row['label']}\n" for i, row in enumerate(rows)]
    (folder / "qrels.tsv").write_text("".join(line for line in lines if line.endswith("1\n")))  # the rest is unjudged
    options = ["--model", str(model), "--out", str(tmp_path / "out.json"), "--json"]
    code, _, told = ran(capsys, "calibrate", str(folder), *options)
    assert code == 2 and "--run FILE" in told
    run = [f"q{queries.index(str(row['query']))} Q0 d{i} 1 {len(rows) - i} mine\n" for i, row in enumerate(rows)]
    (tmp_path / "mine.trec").write_text("".join(run))
    code, out, _ = ran(capsys, "calibrate", str(folder), "--run", str(tmp_path / "mine.trec"), *options)
    report = json.loads(out)
    judged = {line.split("\t")[0] for line in lines if line.endswith("1\n")}
    relevant = sum(int(str(row["label"])) for row in rows)
    assert code == 0 and report["counts"] == [len(judged), 8 * len(judged), relevant]
    assert [group["name"] for group in report["groups"]] == ["de"]
    code, out, _ = ran(capsys, "calibrate", str(folder), "--run", str(tmp_path / "mine.trec"), "--depth=4", *options)
    assert code == 0 and json.loads(out)["counts"][1] == 4 * len(judged)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "q", "document": "d"}', "line 1: no field 'label'; there are: query, document"),
        ('{"query": "q", "document": "d", "label": "maybe"}', 'line 1: the label "maybe" is neither'),
        ('{"query": "q", "document": "d", "label": null}', "line 1: the label null is neither"),
        ('{"query": 1, "document": "d", "label": 1}', "line 1: the field 'query' is not a text"),
        ('{"query": "q", "document": 7, "label": 1}', "line 1: the document is neither"),
        ('["q", "d"]', "line 1: expected an object"),
        ('{"query": "q", "document": "d", "label": true}', "too little to calibrate on"),
    ],
)
def test_what_cannot_be_used_is_said(
    line: str, message: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    code, out, told = ran(capsys, "calibrate", str(tmp_path / "bad.jsonl"), "--model", str(model))
    assert code == 2 and not out and message in told


def test_calibrated_without_a_file_is_an_error(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, told = ran(capsys, "rank", "tea", "steam", "--model", str(checkpoint), "--scores", "calibrated")
    assert code == 2 and not out and "there is no calibration" in told

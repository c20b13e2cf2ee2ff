"""An index as the first stage of an evaluation."""

import json
from pathlib import Path

import pytest

from resift.cli.eval_pipeline import read_with_pipeline
from resift.errors import InputError
from resift.pipeline import Pipeline
from tests.cli.conftest import RunCli

TEA = "Green tea wants cool water. " * 40
ROWS = [
    {"id": "tea", "text": f"{TEA}\n\nBlack tea wants boiling water."},
    {"id": "coffee", "text": "Coffee is roasted."},
    {"id": "kettle", "text": "A kettle boils water for tea."},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Pipeline.create(tmp_path / "index", reranker=False) as pipeline:
        pipeline.add(ROWS)
    return tmp_path / "index"


def files(folder: Path, judged: str) -> tuple[Path, Path]:
    queries, qrels = folder.parent / "queries.tsv", folder.parent / "qrels.tsv"
    queries.write_text("q1\tblack tea boiling\nq2\troasted coffee\n", encoding="utf-8")
    qrels.write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")
    return queries, qrels


def test_a_judged_document_is_its_best_passage(folder: Path) -> None:
    queries, qrels = files(folder, "q1\ttea\t2\nq1\tkettle\t1\nq1\tcoffee\t1\nq2\tcoffee\t1\n")
    data = read_with_pipeline(str(folder), queries=queries, qrels=qrels, depth=10)
    assert data.first_stage is not None
    (best, second) = data.first_stage["q1"]
    assert best.startswith("tea#") and best != "tea#0" and second == "kettle#0"  # one passage a document
    assert data.qrels["q1"] == {best: 2, second: 1, "coffee": 1}  # what was not found still counts
    assert data.qrels["q2"] == {"coffee#0": 1}
    assert data.documents[best].endswith("Black tea wants boiling water.")
    assert "best passage" in data.notes[0]


def test_judged_passages(folder: Path) -> None:
    queries, qrels = files(folder, "q1\ttea#0\t1\nq2\tcoffee#0\t1\n")
    data = read_with_pipeline(str(folder), queries=queries, qrels=qrels, depth=10)
    assert data.first_stage is not None
    assert len([one for one in data.first_stage["q1"] if one.startswith("tea#")]) > 1
    assert data.qrels["q1"] == {"tea#0": 1} and data.notes == ()


def test_judgements_of_other_documents(folder: Path) -> None:
    queries, qrels = files(folder, "q1\tdocs/tea.md\t1\n")
    with pytest.raises(InputError, match="none of the judged documents"):
        read_with_pipeline(str(folder), queries=queries, qrels=qrels, depth=10)


def test_the_command(run_cli: RunCli, folder: Path) -> None:
    queries, qrels = files(folder, "q1\ttea\t2\nq2\tcoffee\t1\n")
    options = (
        "--queries",
        str(queries),
        "--qrels",
        str(qrels),
        "--first-stage",
        f"pipeline:{folder}",
        "--rounds",
        "100",
    )
    ran = run_cli("eval", *options, "--json")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert "bm25 of index" in json.dumps(report)
    wrong = run_cli("eval", *options, "--corpus", str(queries))
    assert wrong.code == 2 and "brings its own documents" in wrong.err
    assert "holds no pipeline" in run_cli("eval", *options[:-3], f"pipeline:{folder}-none").err

"""The commands with the real reranker behind them, on a tiny checkpoint: what they write is what the API returns."""

import io
import json
from pathlib import Path

import pytest

from resift.cli.main import main
from resift.reranker import Reranker
from resift.types import Windows

QUERY = "how do plants breathe"
DOCUMENTS = ["Leaves take in air.", "植物通过叶子呼吸。", "word " * 200, ""]


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(argv) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_rank_writes_what_the_api_returns(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "rank", QUERY, *DOCUMENTS, "--model", str(checkpoint), "--format", "jsonl")
    with Reranker(checkpoint) as reranker:
        ranked = reranker.rank(QUERY, DOCUMENTS)
        info = reranker.info
    assert told["results"] == [
        {"index": one.index, "score": one.score, "document": one.document, "truncated": one.truncated} for one in ranked
    ]
    assert told["info"] == {**told["info"], "model": str(checkpoint), "kernel": info.kernel, "scores": "raw"}  # type: ignore[dict-item]


def test_options_reach_the_reranker(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--scores=sigmoid", "--windows=20", "--overlap=5", "--aggregate=mean", "--truncation=longest_first"]
    options += ["--max-length=60", "--max-batch-tokens=100", "--threads=1", "--template={text}", "--backend=reference"]
    told = answer(capsys, "rank", QUERY, *DOCUMENTS, "--model", str(checkpoint), "--format", "jsonl", *options)
    with Reranker(
        checkpoint,
        scores="sigmoid",
        windows=Windows(20, 5, "mean"),
        truncation="longest_first",
        max_length=60,
        max_batch_tokens=100,
        threads=1,
        template="{text}",
        backend="reference",
    ) as reranker:
        ranked = reranker.rank(QUERY, DOCUMENTS)
    results = told["results"]
    assert isinstance(results, list)
    assert [(one["index"], one["score"]) for one in results] == [(one.index, one.score) for one in ranked]
    assert [one["window"]["count"] for one in results] == [one.window.count for one in ranked if one.window]


def test_score_writes_what_the_api_returns(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(QUERY, document) for document in DOCUMENTS]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(map(json.dumps, pairs)).encode())))
    assert main(["score", "-", "--model", str(checkpoint)]) == 0
    captured = capsys.readouterr()
    with Reranker(checkpoint) as reranker:
        scores = [one.score for one in reranker.score_details(pairs)]
    assert [json.loads(line)["score"] for line in captured.out.splitlines()] == scores
    assert "1 pairs cut at 128 tokens" in captured.err


def test_the_demo_runs_on_any_model(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "demo", "--model", str(checkpoint), "--json", "--lang", "en")
    assert told["info"]["backend"] == "native"  # type: ignore[index]
    assert len(told["cases"]) == told["summary"]["cases"]  # type: ignore[index, arg-type]


def test_doctor_names_backend_and_kernel(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--model", str(checkpoint), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["kernel"] in told["processor"]["kernels"]
    assert code == (0 if told["model"]["works"] else 1)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--device", "cuda:7"], 4),
        (["--precision", "fp16"], 4),
        (["--backend", "abacus"], 4),
        (["--model", "no such folder"], 3),
        (["--max-length", "1000000"], 2),
        (["--template", "no field"], 2),
        (["--windows=10", "--overlap", "10"], 2),
    ],
)
def test_errors_of_the_api_are_lines_and_exit_codes(
    argv: list[str], code: int, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", QUERY, *DOCUMENTS, "--model", str(checkpoint), *argv]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert not captured.out


def test_eval_measures_what_the_api_ranks(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(json.dumps({"query": QUERY, "documents": DOCUMENTS, "labels": [0, 0, 0, 1]}) + "\n")
    options = ["--metric", "RR", "--rounds", "50", "--keep", str(tmp_path / "keep"), "--threads", "1", "--json"]
    told = answer(capsys, "eval", str(judged), "--model", str(checkpoint), *options)
    with Reranker(checkpoint) as reranker:
        places = [one.index for one in reranker.rank(QUERY, DOCUMENTS)]
    rows = told["rows"]
    assert isinstance(rows, list)
    assert rows[0]["means"]["RR"] == pytest.approx(1 / 4)
    assert rows[1]["means"]["RR"] == pytest.approx(1 / (places.index(3) + 1))
    again = answer(capsys, "eval", str(judged), "--model", str(checkpoint), *options)
    assert again["rows"] == rows

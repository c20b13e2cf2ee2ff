"""`resift quantize` and what `resift models` says of its folders, on a tiny model."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli
from tests.quantize.models import make_model

ANY = ("--min-spearman", "-1", "--min-overlap", "0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("cli") / "model", layers=1, hidden=32)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_writes_a_folder_that_ranks(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "int8"
    ran = run_cli("quantize", str(model), "-o", str(out), *ANY)
    assert ran.code == 0
    assert ran.out == f"{out}\n"
    assert "within the tolerance" in ran.err
    assert "int8 loses most in layers.0." in ran.err
    assert (out / "quantization.json").is_file()


def test_models_shows_the_comparison(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "int8"
    run_cli("quantize", str(model), "-o", str(out), *ANY)
    table = run_cli("models", str(out), str(model), columns=300).out
    assert "int8, Spearman 0.9" in table
    assert "FAILED" not in table
    listed = json.loads(run_cli("models", str(out), str(model), "--json").out)
    assert listed[0]["quantization"]["precision"] == "int8"
    assert listed[1]["quantization"] is None
    assert [one["kind"] for one in listed] == ["folder", "folder"]
    missing = run_cli("models", str(tmp_path / "none"))
    assert missing.code == 3
    assert "there is no folder" in missing.err


def test_json_is_the_report(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "int8"
    ran = run_cli("quantize", str(model), "-o", str(out), *ANY, "--json")
    assert json.loads(ran.out) == json.loads((out / "quantization.json").read_text())


def test_pairs_of_the_user(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    stdin = lines(
        {"query": "deep learning", "document": "the model", "label": 2},
        {"query": "deep learning", "documents": ["weather", {"title": "river", "body": "city"}], "labels": [0, None]},
        {"query": "train", "documents": ["how to train", "search"]},
    )
    ran = run_cli("quantize", str(model), "-o", str(tmp_path / "int8"), "--verify", "-", *ANY, "--json", stdin=stdin)
    assert "hint: 5 pairs say little" in ran.err
    report = json.loads(ran.out)
    assert report["texts"] == "given"
    found = report["attempts"][0]["comparison"]
    assert (found["pairs"], found["queries"]) == (5, 2)
    assert len(found["ndcg"]) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"document": "d"}, 'expected {"query"'),
        ([1, 2], 'expected {"query"'),
        ({"query": "q"}, "neither a text nor an object"),
        ({"query": "q", "documents": "d"}, "documents and labels are lists"),
        ({"query": "q", "documents": ["d"], "labels": [1, 2]}, "1 documents and 2 labels"),
        ({"query": "q", "document": "d", "label": "good"}, "the label 'good' is not a number"),
        ({"query": "q", "document": "d", "label": -1}, "is not from 0 to"),
        ({"query": "q", "document": "d", "label": [1]}, "is not a number"),
    ],
)
def test_bad_pairs(model: Path, tmp_path: Path, run_cli: RunCli, row: object, reason: str) -> None:
    stdin = lines({"query": "q", "document": "d"}, row)
    ran = run_cli("quantize", str(model), "-o", str(tmp_path / "int8"), "--verify", "-", stdin=stdin)
    assert ran.code == 2
    assert f"standard input, line 2: {reason}" in ran.err or reason in ran.err
    assert not (tmp_path / "int8").exists()


def test_beyond_the_tolerance(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "int8"
    command = ("quantize", str(model), "-o", str(out), "--max-change", "0")
    ran = run_cli(*command)
    assert ran.code == 1
    assert ran.err.splitlines()[-2].startswith("error: nothing was written: ")
    assert "a score changed by" in ran.err
    assert not out.exists()
    forced = run_cli(*command, "--force")
    assert forced.code == 0
    assert "warning: written although it failed" in forced.err
    assert "FAILED" in run_cli("models", str(out), columns=300).out


def test_vocabulary(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    words = tmp_path / "words.txt"
    words.write_text("weather of the city\n", encoding="utf-8")
    ran = run_cli(
        "quantize", str(model), "-o", str(tmp_path / "zh"), "--languages", "zh", "--vocabulary-from", str(words),
        *ANY, "--json",
    )  # fmt: skip
    report = json.loads(ran.out)
    assert report["vocabulary"] < report["original_vocabulary"]
    assert report["languages"] == ["zh"]
    wrong = run_cli("quantize", str(model), "-o", str(tmp_path / "x"), "--languages", "klingon")
    assert wrong.code == 2
    assert "unknown languages: klingon" in wrong.err


def test_errors(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    assert run_cli("quantize", str(model)).code == 2
    there = run_cli("quantize", str(model), "-o", str(tmp_path))
    assert there.code == 2
    assert "exists already" in there.err
    assert run_cli("quantize", str(tmp_path / "no such model"), "-o", str(tmp_path / "x")).code == 3
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("a\n")
    assert run_cli("quantize", str(model), "-o", str(tmp_path / "x"), "--verify", str(pairs)).code == 2

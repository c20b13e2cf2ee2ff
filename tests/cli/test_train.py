"""`resift train`: its commands parse, mining and distilling write data, training writes a folder."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import resift
from resift.cli.main import build_parser
from tests.checkpoints import make_checkpoint
from tests.cli.conftest import RunCli
from tests.training import toy

TORCH = importlib.util.find_spec("torch") is not None


def lines(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def read(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return lines(
        tmp_path / "clicks.jsonl",
        {"query": "green tea", "pos": ["Green tea is steeped for two minutes."], "neg": []},
        {"query": "black coffee", "pos": ["Coffee without milk is black."], "neg": ["Coffee grows on trees."]},
        {"query": "nothing", "pos": []},
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    texts = ["Tea plants are green.", "Green tea is steeped for two minutes.", "A black cat drinks milk.", "Rain."]
    return lines(tmp_path / "corpus.jsonl", *({"id": str(i), "text": text} for i, text in enumerate(texts)))


def test_a_file_in_place_of_a_command_is_trained_on() -> None:
    parser = build_parser("train")
    for arguments in (["a.jsonl", "-o", "out"], ["run", "a.jsonl", "-o", "out"], ["-o", "out", "a.jsonl"]):
        args = parser.parse_intermixed_args(arguments)
        assert (args.what, args.data, str(args.output)) == ("run", ["a.jsonl"], "out")
    assert parser.parse_intermixed_args(["mine", "a.jsonl", "-o", "b"]).what == "mine"


def test_every_setting_is_an_option() -> None:
    from dataclasses import fields

    from resift.training import Settings

    known = vars(build_parser("train").parse_intermixed_args(["a", "-o", "b"]))
    assert {one.name for one in fields(Settings)} <= set(known)


def test_mining(data: Path, corpus: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "mined.jsonl"
    ran = run_cli("train", "mine", str(data), "--corpus", str(corpus), "--ranks", "1-10", "-o", str(out))
    assert ran.code == 0
    assert ran.out == f"{out}\n"
    assert "data: lines left out, no positive document: 1 (clicks.jsonl, line 3)" in ran.err
    assert [row["neg"] for row in read(out)] == [
        ["Tea plants are green."],
        ["Coffee grows on trees.", "A black cat drinks milk."],
    ]
    again = run_cli("train", "mine", str(data), "-o", str(out))
    assert again.code == 2
    assert "exists already" in again.err


def test_mining_by_vectors(data: Path, corpus: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "mined.jsonl"
    ran = run_cli(
        "train", "mine", str(data), "--corpus", str(corpus), "--encoder", "resift", "--ranks", "1-3", "-o", str(out)
    )
    assert ran.code == 0, ran.err
    assert "Tea plants are green." in read(out)[0]["neg"]


def test_queries_judgements_and_runs_in_files(corpus: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "queries.tsv").write_text("q1\tgreen tea\nq2\twet\n")
    (tmp_path / "qrels.txt").write_text("q1 0 1 1\nq2 0 3 1\nq2 0 2 0\n")
    (tmp_path / "bm25.run").write_text("q1 Q0 1 1 9 x\nq1 Q0 0 2 8 x\nq2 Q0 0 1 3 x\n")
    out = tmp_path / "scored.jsonl"
    names = {name: str(tmp_path / file) for name, file in (("queries", "queries.tsv"), ("qrels", "qrels.txt"))}
    files = ("--queries", names["queries"], "--documents", str(corpus), "--qrels", names["qrels"])
    ran = run_cli("train", "distill", *files, "--run", str(tmp_path / "bm25.run"), "--teacher", "large", "-o", str(out))
    assert ran.code == 0, ran.err
    assert [(row["pos"], row["neg"]) for row in read(out)] == [
        (["Green tea is steeped for two minutes."], ["Tea plants are green."]),
        (["Rain."], ["A black cat drinks milk.", "Tea plants are green."]),
    ]
    lacking = run_cli("train", "distill", *files[:2], "--teacher", "large", "-o", str(tmp_path / "other"))
    assert lacking.code == 2
    assert "--queries goes with --documents and --qrels" in lacking.err
    nothing = run_cli("train", "-o", str(tmp_path / "other"))
    assert nothing.code == 2
    assert "name DATA" in nothing.err


def test_a_teacher_scores(data: Path, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "scored.jsonl"
    assert run_cli("train", "distill", str(data), "--teacher", "large", "-o", str(out)).code == 0
    rows = read(out)
    assert [len(row["pos_scores"]) for row in rows] == [1, 1]
    assert [len(row["neg_scores"]) for row in rows] == [0, 1]
    mined = tmp_path / "mined.jsonl"
    ran = run_cli("train", "mine", str(data), "--teacher", "large", "--margin", "-100", "-o", str(mined))
    assert ran.code == 0
    assert all(len(row["neg"]) == len(row["neg_scores"]) for row in read(mined))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["mine", "{data}", "-o", "{out}", "--ranks", "5"], "'5' is not like 10-200"),
        (["mine", "{data}", "-o", "{out}", "--margin", "1"], "compare the scores of a teacher"),
        (["mine", "{data}", "-o", "{out}/nowhere/x.jsonl"], "there is no folder"),
        (["distill", "{data}", "-o", "{out}"], "--teacher"),
        (["mine", "{missing}", "-o", "{out}"], "no such folder or file"),
    ],
)
def test_mistakes(arguments: list[str], reason: str, data: Path, tmp_path: Path, run_cli: RunCli) -> None:
    names = {"data": data, "out": tmp_path / "out.jsonl", "missing": tmp_path / "missing.jsonl"}
    ran = run_cli("train", *(argument.format(**names) for argument in arguments))
    assert ran.code == 2
    assert reason in ran.err


def test_without_torch_it_says_what_to_install(
    data: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resift.training import run

    find = run.importlib.util.find_spec
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    ran = run_cli("train", str(data), "-o", str(tmp_path / "out"))
    assert ran.code == 5
    assert "pip install 'resift[train]'" in ran.err


@pytest.mark.parity
@pytest.mark.skipif(not TORCH, reason="needs torch")
@pytest.mark.usefixtures("one_torch_thread")
def test_training_from_the_command_line(tmp_path: Path, run_cli: RunCli) -> None:
    model = make_checkpoint(tmp_path / "model", "bert", layers=1)
    data, dev = toy.write(tmp_path / "data.jsonl", 160), toy.write(tmp_path / "dev.jsonl", 40, seed=1)
    arguments = ("--model", str(model), "--learning-rate", "2e-3", "--evaluations", "1", "--patience", "0")
    leaking = run_cli("train", str(data), "-o", str(tmp_path / "out"), "--dev", str(data), *arguments)
    assert leaking.code == 2
    assert "held-out queries are in the training data too: 160" in leaking.err
    ran = run_cli("train", str(data), "-o", str(tmp_path / "out"), "--dev", str(dev), *arguments)
    assert ran.code == 0, ran.err
    assert ran.out == f"{tmp_path / 'out'}\n"
    assert "training: 10 of 10, loss" in ran.err
    assert "nDCG@10 on dev.jsonl, 40 queries: before" in ran.err
    assert "the same 40 held-out queries choose the checkpoint" in ran.err
    again = run_cli("train", str(data), "-o", str(tmp_path / "out"), *arguments)
    assert again.code == 2
    assert "exists already" in again.err


@pytest.mark.parity
@pytest.mark.skipif(not TORCH, reason="needs torch")
def test_two_processes(tmp_path: Path) -> None:
    """What torchrun starts shares the batches, measures the dev queries together, and writes one folder."""
    make_checkpoint(tmp_path / "model", "bert", layers=1)
    toy.write(tmp_path / "data.jsonl", 200)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "resift.cli", "train", "data.jsonl", "--model", "model", "-o", "out", "--device", "cpu", "--json"),
        *("--batch-size", "4", "--learning-rate", "2e-3", "--evaluations", "2", "--threads", "1", "--held-out", "0.2"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(resift.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["chosen"]["processes"] == 2
    assert report["training"]["steps"] == 20  # 160 queries, 4 at once on each of 2
    assert report["held_out"]["after"] > report["held_out"]["before"]
    assert (tmp_path / "out" / "model.safetensors").is_file()

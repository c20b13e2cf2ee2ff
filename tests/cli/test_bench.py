"""`resift bench`, on a model that is generated here."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import cpu
from resift.bench import isa
from resift.bench.harness import Measured, Plan
from resift.bench.workload import NAMES
from resift.cli import bench
from tests.checkpoints import make_checkpoint
from tests.cli.conftest import RunCli

QUICK = ("--rounds", "2", "--seconds", "0", "--threads", "1", "--precision", "fp32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("bench") / "model", positions=514)


def test_a_table_and_a_file(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "report.json"
    ran = run_cli("bench", str(model), *QUICK, "--workload", "ten=4", "single", "--save", str(file))
    assert ran.code == 0, ran.err
    report = json.loads(file.read_text())
    row = report["workloads"]["ten"]["peers"]["resift-fp32"]
    assert report["workloads"]["ten"]["pairs"] == 4 and report["workloads"]["ten"]["tokens"] == 512
    assert len(row["rounds"]) == 2 and row["calls"] == 2 and row["pairs_per_second"] > 0
    assert report["workloads"]["single"]["peers"]["resift-fp32"]["milliseconds_p99"] > 0
    assert report["peers"]["resift-fp32"]["status"] == "ok"
    assert isinstance(report["noise"]["clean"], bool)
    assert str(model.parent) not in file.read_text()
    assert "ten: 4 pairs, 512 tokens" in ran.out and "resift-fp32" in ran.out
    shown = run_cli("bench", "--show", str(file))
    assert shown.out == ran.out
    assert "| resift-fp32 |" in run_cli("bench", "--show", str(file), "--markdown").out


def test_pairs_of_the_user(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"query": "egg", "document": "boil it"}\n["tea", "boil water"]\n')
    ran = run_cli("bench", str(model), *QUICK, "--pairs", str(file), "--json")
    report = json.loads(ran.out)
    assert list(report["workloads"]) == ["given"] and report["workloads"]["given"]["pairs"] == 2


@pytest.mark.parametrize("text", ['{"query": "egg"}\n', "", "[1, 2]\n"])
def test_pairs_that_are_none(model: Path, tmp_path: Path, run_cli: RunCli, text: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(text)
    ran = run_cli("bench", str(model), *QUICK, "--pairs", str(file))
    assert ran.code == 2 and "error:" in ran.err


def test_a_peer_that_is_not_known(model: Path, tmp_path: Path, run_cli: RunCli) -> None:
    ran = run_cli("bench", str(model), *QUICK, "--exports", str(tmp_path), "--peers", "no-such-peer")
    assert ran.code == 2 and "there is no peer 'no-such-peer'" in ran.err


def test_a_folder_that_is_not_quantised(model: Path, run_cli: RunCli) -> None:
    ran = run_cli("bench", str(model), *QUICK, "--quantized", str(model))
    assert ran.code == 2 and "resift quantize" in ran.err


def test_a_file_that_is_no_report(tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "report.json"
    assert run_cli("bench", "--show", str(file)).code == 2
    for text in ("{", "{}", "[]"):
        file.write_text(text)
        ran = run_cli("bench", "--show", str(file))
        assert ran.code == 2 and "no report" in ran.err


def test_the_parser_names_what_there_is() -> None:
    """It does not import the package, which would import numpy."""
    assert set(bench._WORKLOADS) == set(NAMES)
    assert isa.LEVELS == bench._LEVELS


@pytest.mark.parametrize(("level", "expected"), [("avx2", ["fp32", "int8"]), ("avx512_bf16", ["fp32", "bf16", "int8"])])
def test_precisions_that_an_instruction_set_offers(
    model: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, level: str, expected: list[str]
) -> None:
    asked: list[Sequence[str]] = []

    def measure(plan: Plan, *, keep: bool) -> Measured:
        asked.append(plan.peers)
        return Measured({})

    monkeypatch.setattr("resift.bench.run.measure", measure)
    assert run_cli("bench", str(model), "--isa", level, "--workload", "single").code == 0
    assert asked == [[f"resift-{precision}" for precision in expected]]


def test_interpreters_of_peers() -> None:
    found = bench._pythons(["one", "openvino=two"])
    assert found["openvino"] == "two" and found["onnxruntime"] == "one" and "resift-fp32" not in found


def test_the_command_for_generated_models(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*QUICK, "--workload", "single", "--json", "--scratch", str(tmp_path)]
    cpu.main(["--model", str(model), *options])
    report = json.loads(capsys.readouterr().out)
    assert "commit" in report and report["model"] == "the model in model"

"""`resift ab`: from simulated logs to a verdict, plans, arms and interleaved lists."""

import json
from pathlib import Path

import pytest

from resift.experiments import Experiment
from tests.cli.conftest import RunCli


@pytest.fixture
def logs(run_cli: RunCli, tmp_path: Path) -> Path:
    made = run_cli("ab", "simulate", "--out", str(tmp_path), "--users", "1500", "--before-days", "5", "--seed", "2")
    assert made.code == 0
    assert len(made.out.splitlines()) == 6
    assert "synthetic" in made.err
    return tmp_path


def files(folder: Path, prefix: str = "") -> list[str]:
    option = f"--{prefix}" if prefix else "--"
    return [
        part
        for name in ("exposures", "clicks", "orders")
        for part in (f"{option}{name}", str(folder / f"{prefix}{name}.jsonl"))
    ]


def test_analyze(logs: Path, run_cli: RunCli) -> None:
    page = logs / "report.html"
    ran = run_cli("ab", "analyze", *files(logs), *files(logs, "before-"), "--guardrail", "zero_results=2%",
                  "--html", str(page), "--planned-users", "1500")  # fmt: skip
    assert ran.code == 0
    assert "treatment is better: clicks for each exposure" in ran.out
    assert "Guardrail zero_results: kept" in ran.out
    assert "CUPED" in page.read_text()
    report = json.loads(run_cli("ab", "analyze", *files(logs), "--json", "--once", "--metric", "ctr").out)
    assert report["settings"]["looks"] == "once"
    assert [metric["name"] for metric in report["metrics"]] == ["ctr"]


def test_a_wrong_split_is_an_exit_code(logs: Path, run_cli: RunCli) -> None:
    ran = run_cli("ab", "analyze", *files(logs), "--arms", "control=1", "treatment=3")
    assert ran.code == 1
    assert ran.out.splitlines()[2].startswith("No verdict: the split of users is wrong")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--exposures", "none.jsonl", "--clicks", "none.jsonl"], "none.jsonl: No such file"),
        (["--exposures", "none.jsonl"], "exposures alone"),
        (["--exposures", "none.jsonl", "--metric", "crt"], "there is no metric 'crt'"),
        (["--exposures", "x.jsonl", "--guardrail", "ctr"], "expected METRIC=MARGIN"),
        (["--exposures", "x.jsonl", "--columns", "user"], "expected NAME=YOURS"),
        (["--exposures", "x.jsonl", "--arms", "a=0"], "not a number above 0"),
        (["--clicks", "x.jsonl"], "--exposures"),
    ],
)
def test_wrong_arguments(argv: list[str], message: str, run_cli: RunCli) -> None:
    ran = run_cli("ab", "analyze", *argv)
    assert ran.code == 2
    assert message in ran.err


def test_assign_is_what_programs_get(run_cli: RunCli) -> None:
    users = [f"u{i}" for i in range(20)]
    arms = ("--arms", "control=3", "new=1", "--share", "80%")
    ran = run_cli("ab", "assign", "--experiment", "june", *arms, stdin="\n".join(users).encode())
    experiment = Experiment("june", {"control": 3, "new": 1}, share=0.8)
    assert ran.out == "".join(f"{user}\t{experiment.arm(user) or ''}\n" for user in users)
    listed = run_cli("ab", "assign", "--experiment", "june", "u1", "--json")
    assert json.loads(listed.out) == {"user": "u1", "arm": Experiment("june").arm("u1")}
    assert run_cli("ab", "assign", "--experiment", "x", "--arms", "a", "a", "--share", "1").code == 2


def test_plan(run_cli: RunCli, logs: Path) -> None:
    ran = run_cli("ab", "plan", "--baseline", "12%", "--lift", "5%", "--users-per-day", "4000")
    assert ran.code == 0
    assert "47,033" in ran.out  # as tests/experiments/test_planning.py compares with statsmodels
    plan = json.loads(
        run_cli("ab", "plan", *files(logs)[:4], "--metric", "ctr", "--lift", "5%", "--json").out
    )  # fmt: skip
    assert 0.3 < plan["goal"]["baseline"] < 0.5
    assert plan["once"]["days"] > 0
    assert "820" in run_cli("ab", "plan", "--interleaving").out
    assert run_cli("ab", "plan", "--baseline", "0.1").code == 2
    assert run_cli("ab", "plan", "--lift", "0.1").code == 2
    assert run_cli("ab", "plan", "--lift", "0.1", "--metric", "ctr").code == 2


def test_a_log_of_one_arm_can_be_planned_from(run_cli: RunCli, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,arm\n" + "".join(f"u{i % 50},all\n" for i in range(150)))
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("user\n" + "".join(f"u{i}\n" for i in range(20)))
    ran = run_cli("ab", "plan", "--exposures", str(log), "--clicks", str(clicks), "--metric", "ctr", "--lift", "10%")
    assert ran.code == 0
    assert "0.1333" in ran.out


def test_interleave(run_cli: RunCli, tmp_path: Path) -> None:
    row = {"user": "u1", "query": "tea", "a": ["1", "2", "3"], "b": ["1", "3", "4"], "id": 7}
    ran = run_cli("ab", "interleave", "--top-k", "3", stdin=json.dumps(row).encode())
    shown = json.loads(ran.out)
    assert shown["id"] == 7
    assert shown["documents"][0] == "1"
    assert shown["teams"][0] == "both"
    assert sorted(shown["teams"][1:]) == ["a", "b"]
    for bad in ({"user": "u", "a": [1], "b": []}, {"user": "u", "a": ["1", "1"], "b": []}):
        assert run_cli("ab", "interleave", stdin=json.dumps(bad).encode()).code == 2
        skipped = run_cli("ab", "interleave", "--skip-bad", stdin=json.dumps(bad).encode())
        assert (skipped.code, skipped.out) == (0, "")
    run_cli("ab", "simulate", "--out", str(tmp_path), "--interleaving", "--users", "200", "--gain", "0.5")
    text = run_cli("ab", "interleave", "--analyze", str(tmp_path / "clicks.jsonl"))
    assert "Users prefer b" in text.out
    report = json.loads(run_cli("ab", "interleave", "--analyze", str(tmp_path / "clicks.jsonl"), "--json").out)
    assert report["win_rate"] > 0.5


def test_help_of_every_command(run_cli: RunCli) -> None:
    assert "analyze" in run_cli("ab", "--help").out
    for name in ("assign", "plan", "analyze", "interleave", "simulate"):
        assert run_cli("ab", name, "--help").code == 0
    assert run_cli("ab").code == 2
    assert run_cli("ab", "nothing").code == 2


def test_without_scipy(run_cli: RunCli, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    ran = run_cli("ab", "analyze", *files(logs))
    assert ran.code == 5
    assert "pip install 'resift[ab]'" in ran.err

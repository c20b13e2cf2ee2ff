"""`resift doctor`, `resift models` and `resift pull`."""

import json
from pathlib import Path

import pytest

from resift.loading.hub import RemoteFile
from resift.loading.pull import PulledModel
from tests.cli.conftest import RunCli


def test_doctor_on_a_working_model(checkpoint: Path, tmp_path: Path, run_cli: RunCli) -> None:
    ran = run_cli("doctor", "--json", "--model", str(checkpoint), "--cache-dir", str(tmp_path))
    report = json.loads(ran.out)
    assert report["versions"]["numpy"][0].isdigit()
    assert report["processor"]["native"] == "built"
    assert report["processor"]["kernels"][-1] == "portable"
    assert report["threads"]["default"] >= 1
    assert report["cache"] == {**report["cache"], "folder": str(tmp_path), "exists": True, "writable": True}
    assert report["model"]["found"] == "folder"
    assert report["model"]["score_of_answer"] > report["model"]["score_of_unrelated"]
    assert report["model"]["works"] is True
    assert ran.code == 0


def test_doctor_says_what_it_would_use(checkpoint: Path, run_cli: RunCli) -> None:
    ran = run_cli("doctor", "--model", str(checkpoint))
    assert "ok: fake with the backend fake" in ran.out
    assert "offline: resift pull MODEL --to FOLDER" in ran.out


def test_doctor_on_a_missing_model_downloads_nothing(tmp_path: Path, run_cli: RunCli) -> None:
    ran = run_cli("doctor", "--json", "--model", "nobody/nothing", "--cache-dir", str(tmp_path))
    assert ran.code == 1
    report = json.loads(ran.out)
    assert report["model"]["works"] is False
    assert report["model"]["hint"] == "run: resift pull nobody/nothing"
    assert any("nobody/nothing" in problem for problem in report["problems"])
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_a_forced_kernel(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> None:
    monkeypatch.setenv("RESIFT_CPU_KERNEL", "portable")
    report = json.loads(run_cli("doctor", "--json", "--model", str(checkpoint)).out)
    assert report["threads"]["forced_kernel"] == "portable"
    assert any("RESIFT_CPU_KERNEL=portable" in problem for problem in report["problems"])


def test_models_lists_cached_ones_and_why_one_cannot_run(tmp_path: Path, run_cli: RunCli) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "t5"}', encoding="utf-8")
    listed = json.loads(run_cli("models", "--json", "--cache-dir", str(tmp_path)).out)
    (model,) = (one for one in listed if one["kind"] == "hub")
    assert (model["name"], model["revision"], model["family"]) == ("owner/name", "c" * 40, None)
    table = run_cli("models", "--cache-dir", str(tmp_path), columns=120).out
    assert "owner/name" in table
    assert "cannot run" in table


def test_models_of_an_empty_cache(tmp_path: Path, run_cli: RunCli) -> None:
    ran = run_cli("models", "--json", "--cache-dir", str(tmp_path))
    assert ran.code == 0
    assert [one for one in json.loads(ran.out) if one["kind"] == "hub"] == []


def test_pull_refuses_what_is_no_hub_id(run_cli: RunCli) -> None:
    ran = run_cli("pull", "no-owner")
    assert ran.code == 3
    assert "hint: give owner/name" in ran.err


def test_pull_writes_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_cli: RunCli) -> None:
    def pull(model: str, **_: object) -> PulledModel:
        return PulledModel(model, "c" * 40, tmp_path, (RemoteFile("model.safetensors", 2_300_000_000, "d", None),))

    monkeypatch.setattr("resift.loading.pull.pull", pull)
    ran = run_cli("pull", "owner/name")
    assert ran.code == 0
    assert ran.out == f"{tmp_path}\n"
    assert "1 files, 2.3 GB, checksums verified" in ran.err

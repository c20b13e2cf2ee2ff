"""`python -m resift` is the command."""

import runpy
import sys

import pytest

import resift


def test_it_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["resift", "--version"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("resift", run_name="__main__")
    assert left.value.code == 0
    assert capsys.readouterr().out == f"resift {resift.__version__}\n"

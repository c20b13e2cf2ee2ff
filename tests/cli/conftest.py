"""Run commands in this process, with the fake reranker behind them."""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import pytest

from resift.cli.main import main
from resift.cli.options import read_template, read_windows
from resift.reranker import Reranker
from tests.cli.fake import INFO, FakeReranker


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


class RunCli(Protocol):
    def __call__(self, *argv: str, stdin: bytes = b"", columns: int = 80) -> Ran: ...


def open_fake(args: argparse.Namespace) -> Reranker:
    fake = FakeReranker(
        info=replace(INFO, scores=args.scores, truncation=args.truncation),
        windows=read_windows(args),
        template=read_template(args),
    )
    return cast("Reranker", fake)


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """Run `resift ARGV` and return its exit code and output."""

    def run(*argv: str, stdin: bytes = b"", columns: int = 80) -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        code = _exit_code(main, argv)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def _exit_code(command: Callable[..., int], argv: Sequence[str]) -> int:
    try:
        return command(list(argv), open_reranker=open_fake)
    except SystemExit as exit_:  # argparse: --help and wrong arguments
        return cast("int", exit_.code)

"""Questions at a terminal: commands, mistakes, and the end."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

import resift
from resift.cli.search_asking import Asking
from resift.cli.search_session import Session
from resift.cli.search_view import Look
from resift.errors import StoreDamaged
from resift.pipeline import Pipeline
from resift.reranker import Reranker
from tests.cli.fake import FakeReranker
from tests.cli.test_search import ROWS


class Keyboard:
    """Types lines; an exception is raised where one stands."""

    def __init__(self, lines: Iterable[str | type[BaseException]]) -> None:
        self._lines = iter(lines)

    def __call__(self, prompt: str) -> str:
        assert prompt == "> "
        line = next(self._lines, EOFError)
        if not isinstance(line, str):
            raise line
        return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Pipeline.create(tmp_path / "index", reranker=False) as pipeline:
        pipeline.add(ROWS)
    return tmp_path / "index"


@pytest.fixture
def pipeline(folder: Path) -> Pipeline:
    return Pipeline(folder, reranker=cast("Reranker", FakeReranker()), writable=False)


def typed(pipeline: Any, *lines: str | type[BaseException], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return what a session wrote: answers, and everything else."""
    written = io.StringIO()
    console = Console(file=written, width=80, highlight=False, markup=False)
    session = Session(lambda: pipeline, Asking(), Look(), console=console)
    assert session.run(Keyboard(lines)) == 0
    captured = capsys.readouterr()
    return written.getvalue() + captured.out, captured.err


def test_queries_and_commands(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = typed(
        pipeline,
        "library",
        ":k 1",
        ":where lang = zh, de  price > 3",
        "图书馆 library Bibliothek",
        ":where",
        ":show lang",
        ":blend 0.7",
        ":explain on",
        ":rerank off",
        "library",
        ":open 1",
        ":info",
        ":help",
        "",
        capsys=capsys,
    )
    answers = out.split(" 1. ")
    assert len(answers) == 4
    assert "en#0" in answers[1] and "zh#0" in answers[2] and "en#0" not in answers[2]
    assert "lang: en" in answers[3] and "bm25 1 (" in answers[3] and "rerank" not in answers[3]
    assert "Dogs stay outside." in answers[3].split("bm25 1 (")[1]  # the whole passage
    assert (
        "documents   5" in err
        and "asked       1 passages, recall 100, not reranked, blend 0.7, explained, with lang" in err
    )
    assert "where lang = zh, de  price > 3" in err or "where lang = zh, de price > 3" in err
    assert ":where lang=zh" in err


def test_mistakes_do_not_end_it(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (
        ":blend 2",
        ":blend x",
        ":k zero",
        ":k 0",
        ":nothing",
        ":open 1",
        ":where <3",
        ":rerank perhaps",
        ":",
        KeyboardInterrupt,
        "library",
    )
    out, err = typed(pipeline, *lines, capsys=capsys)
    assert err.count("error: ") == 9
    assert "en#0" in out


def test_no_model_was_loaded(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(lambda: pipeline, Asking(rerank=False), Look(), console=Console(file=io.StringIO(), width=80))
    session.run(Keyboard([":rerank on", "library"]))
    err = capsys.readouterr().err
    assert "begun with --no-rerank" in err and "bm25" in err


@pytest.mark.parametrize("end", [":quit", ":q", EOFError])
def test_it_ends_and_closes(pipeline: Pipeline, capsys: pytest.CaptureFixture[str], end: Any) -> None:
    out, _ = typed(pipeline, end, "library", capsys=capsys)
    if end is not EOFError:
        assert out == ""
        with pytest.raises(resift.ResiftError, match="closed"):
            pipeline.search("library", rerank=False)


def test_the_prompt_does_not_wait(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    prompted = threading.Event()

    def slow() -> Pipeline:
        assert prompted.wait(30)
        return pipeline

    def read(_: str) -> str:
        if prompted.is_set():
            raise EOFError
        prompted.set()
        return "library"

    console = Console(file=io.StringIO(), width=80)
    assert Session(slow, Asking(), Look(), console=console).run(read) == 0
    assert "rerank" in capsys.readouterr().err


def test_what_cannot_be_opened_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Pipeline:
        raise StoreDamaged("the file is cut off")

    session = Session(broken, Asking(), Look(), console=Console(file=io.StringIO()))
    with pytest.raises(StoreDamaged, match="cut off"):
        session.run(Keyboard([":k 3", "library", "library"]))
    assert "error" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.timeout(120)
def test_on_a_terminal(folder: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "resift.cli", "search", str(folder), "--no-rerank"]
    environment = {**os.environ, "PYTHONPATH": str(Path(resift.__file__).parents[1])}
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            seen += os.read(ours, 4096)
        seen = seen.partition(text)[2]

    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        try:
            until(b"> ")
            os.write(ours, "图书馆\n".encode())
            until(b"zh#0")
            until(b" ms (")
            until(b"> ")
            os.write(ours, b"half a question\x15\x04")  # Ctrl-U takes it back, Ctrl-D ends
            assert run.wait(60) == 0
        finally:
            run.kill()
            os.close(ours)

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import resift
from resift.cli.main import COMMANDS, main
from resift.errors import DeviceError, MissingExtra, ModelNotFound, ResiftWarning
from tests.cli.conftest import RunCli

HEAVY = ("numpy", "rich", "tqdm", "tokenizers", "huggingface_hub", "bm25s", "scipy", "torch", "resift._native")


def python(code: str, *, stdin: int = subprocess.DEVNULL, **env: str) -> subprocess.Popen[bytes]:
    source = str(Path(resift.__file__).parents[1])
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{source!r}, {root!r}]\n{code}"],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "", **env},
    )


@pytest.mark.parametrize("argv", [["--help"], ["--version"], [], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(argv: list[str]) -> None:
    code = f"""
from resift.cli.main import main
try:
    main({argv!r})
except SystemExit as exit:
    assert not exit.code, exit.code
heavy = [name for name in {HEAVY!r} if name in sys.modules]
assert not heavy, heavy
"""
    process = python(code)
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    assert out


def test_a_session_at_a_terminal_begins_without_anything_heavy(tmp_path: Path) -> None:
    (tmp_path / "pipeline.json").touch()
    code = f"""
from resift.cli import search, search_session
from resift.cli.main import build_parser
def talk(open_pipeline, asking, look, *, no_color):
    heavy = [name for name in {HEAVY!r} if name in sys.modules and name != "rich"]  # which shows the answers
    print(heavy)
    return 0
search_session.talk = talk
sys.stdin.isatty = sys.stdout.isatty = lambda: True
search.run(build_parser("search").parse_args([{str(tmp_path)!r}]), None)
"""
    out, err = python(code).communicate()
    assert out.split() == [b"[]"], (out, err.decode())


def test_help_names_every_command(run_cli: RunCli) -> None:
    for argv in (["--help"], []):
        ran = run_cli(*argv)
        assert ran.code == 0
        assert all(name in ran.out for name in COMMANDS)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_command_explains_itself(command: str, run_cli: RunCli) -> None:
    ran = run_cli(command, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"usage: resift {command} ")


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version").out == f"resift {resift.__version__}\n"


@pytest.mark.parametrize(
    "argv", [["frobnicate"], ["--frobnicate"], ["rank", "q", "d", "--top", "3"], ["score"], ["rank", "--top-k", "0"]]
)
def test_wrong_arguments_are_an_error_with_a_hint(argv: list[str], run_cli: RunCli) -> None:
    ran = run_cli(*argv)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "\nhint: resift" in ran.err
    assert not ran.out


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (ModelNotFound("no such model", hint="pull it"), 3, "pull it"),
        (DeviceError("no such device"), 4, None),
        (MissingExtra("serving", extra="server"), 5, "pip install 'resift[server]'"),
        (MemoryError(), 1, "--max-batch-tokens"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException, code: int, hint: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> resift.Reranker:
        raise error

    assert main(["rank", "query", "document"], open_reranker=fail) == code
    err = capsys.readouterr().err
    assert (f"hint: {hint}" in err) if hint else ("hint:" not in err)


def test_warnings_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def warn(_: object) -> resift.Reranker:
        warnings.simplefilter("always")
        warnings.warn("scoring on the CPU instead", ResiftWarning, stacklevel=1)
        raise ModelNotFound("none")

    main(["rank", "query", "document"], open_reranker=warn)
    assert capsys.readouterr().err == "warning: scoring on the CPU instead\nerror: none\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = """
from resift.cli.main import main
from tests.cli.conftest import open_fake
sys.exit(main(["rank", "q", *["word " * 50] * 20_000, "--format", "jsonl"], open_reranker=open_fake))
"""
    with python(code) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_any_output_encoding_holds_any_text(encoding: str, form: str) -> None:
    code = f"""
from resift.cli.main import main
from tests.cli.conftest import open_fake
documents = ["中文", "naïve", "العربية", "a\\ud800b", "esc \\x1b[31m red", "😀"]
sys.exit(main(["rank", "query", *documents, "--format", {form!r}], open_reranker=open_fake))
"""
    process = python(code, PYTHONIOENCODING=encoding)
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    assert b"\x1b" not in out
    out.decode(encoding)


def test_no_color_and_terminals(monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what a terminal does
    assert "\x1b[" in run_cli("rank", "query", "document").out
    assert "\x1b[3" not in run_cli("demo", "--lang", "ja", "--no-color").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in run_cli("demo", "--lang", "ja").out


def test_no_line_ends_in_spaces(run_cli: RunCli) -> None:
    for argv in (["demo", "--lang", "de"], ["rank", "query", "short", "a longer document"]):
        out = run_cli(*argv).out
        assert out == "\n".join(line.rstrip(" ") for line in out.split("\n"))

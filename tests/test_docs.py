"""The pages' code runs, their commands parse, and their links lead somewhere."""

import re
import shlex
import warnings
from pathlib import Path

import pytest

from resift import ResiftWarning
from resift.cli.main import build_parser
from resift.loading.source import EMBEDDED_FOLDER

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the code blocks of a page with the line each begins on."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)) + 1, match.group(1)) for match in found]


def test_there_is_something_to_run() -> None:
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 10
    assert sum(len(blocks(page, "bash")) for page in PAGES) >= 5


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one page follow each other in one program, without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    names: dict[str, object] = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResiftWarning)
        for line, code in blocks(page, "python"):
            exec(compile("\n" * (line - 1) + code, page, "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash")], ids=name)
def test_commands_parse(page: Path) -> None:
    for _, code in blocks(page, "bash"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["resift"]:
                arguments = words[2 : words.index(">")] if ">" in words else words[2:]
                build_parser(words[1]).parse_intermixed_args(arguments)  # exits with code 2 otherwise


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []

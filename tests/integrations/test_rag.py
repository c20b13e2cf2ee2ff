"""The examples and the guide's code run with the frameworks, offline, each as a user's program would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import resift
from tests.test_docs import blocks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "guides" / "frameworks.md", ROOT / "README.md", ROOT / "README.zh-CN.md"]
ADDRESS = "http://127.0.0.1:8000"
ANSWER = "The ferry runs every hour from six in the morning."


def run(program: list[str], folder: Path) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(resift.__file__).parents[1]),
        "PYTHONIOENCODING": "utf-8",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder),
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "LANGSMITH_TRACING": "false",
        "RERANK_KEY": "key",
    }
    ran = subprocess.run(
        [sys.executable, *program], cwd=folder, env=environment, capture_output=True, check=False, timeout=200
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode()


@pytest.mark.parametrize("framework", ["langchain", "llama_index", "haystack"])
def test_the_example_runs_and_finds_the_answer(framework: str, tmp_path: Path) -> None:
    said = run([str(ROOT / "examples" / f"rag_{framework}.py")], tmp_path)
    best, *_, asked = [line for line in said.splitlines() if "ferry runs" in line]
    assert best.endswith(ANSWER)
    assert ANSWER in asked
    assert "the model was asked" in said


@pytest.mark.parametrize("framework", ["langchain", "llama-index", "haystack"])
def test_the_pages_code_runs(framework: str, url: str, tmp_path: Path) -> None:
    found = [code for page in PAGES for _, code in blocks(page, f"python {framework}")]
    assert len(found) >= 2
    program = "\n".join(found)
    assert ADDRESS in program
    assert run(["-c", program.replace(ADDRESS, url)], tmp_path).strip()

"""Every example runs: offline, from any folder, with the embedded model, and without a word on stderr."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import resift
from resift.loading.source import EMBEDDED_FOLDER

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))
LONGEST = 40
NEEDS_OTHERS = {
    "milvus_rerank": "tests/test_deploy.py runs it with something in the place of Milvus",
    "rag_langchain": "tests/integrations/test_rag.py runs it where LangChain is installed",
    "rag_llama_index": "tests/integrations/test_rag.py runs it where LlamaIndex is installed",
    "rag_haystack": "tests/integrations/test_rag.py runs it where Haystack is installed",
}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_says_what_it_shows(example: Path) -> None:
    source = example.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(source))


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model yet")
@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.stem not in NEEDS_OTHERS], ids=lambda path: path.stem)
def test_it_runs(example: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(resift.__file__).parents[1]),
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-8",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stderr.decode() == ""
    assert ran.stdout.decode().strip()

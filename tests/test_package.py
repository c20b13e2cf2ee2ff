"""What `import resift` gives, and what it does not load."""

import subprocess
import sys

import pytest

import resift
import resift.errors
import resift.retrieval

NAMES = [
    "AsyncClient",
    "Client",
    "CrossEncoder",
    "Embedder",
    "Explanation",
    "FlagReranker",
    "PairScore",
    "Pipeline",
    "RankedDocument",
    "Reranker",
    "ResiftError",
    "ResiftWarning",
    "ScoreInfo",
    "Window",
    "Windows",
]
HEAVY = [
    "torch", "transformers", "huggingface_hub", "tokenizers", "numpy", "rich", "bm25s", "tqdm", "httpx", "ir_measures",
    "pytrec_eval", "pandas", "pyarrow", "langchain_core", "llama_index", "haystack", "faiss", "pymilvus", "jieba",
]  # fmt: skip


def test_public_names() -> None:
    assert resift.__all__ == NAMES
    assert all(getattr(resift, name).__name__ == name for name in NAMES)
    assert set(NAMES) <= set(dir(resift))
    with pytest.raises(AttributeError):
        resift.Rerankr  # noqa: B018


def loaded_by(code: str) -> set[str]:
    program = f"import sys; {code}; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    assert loaded_by("import resift") == set()


def test_the_api_loads_no_framework() -> None:
    assert loaded_by("from resift import Reranker, FlagReranker, CrossEncoder") <= {"numpy", "tokenizers"}


def test_the_embedder_loads_no_engine() -> None:
    assert loaded_by("from resift import Embedder") <= {"numpy", "tokenizers"}


def test_a_pipeline_loads_no_store_before_it_is_opened() -> None:
    assert loaded_by("from resift import Pipeline") <= {"numpy", "tokenizers"}


def test_first_stages_load_their_libraries_when_they_are_made() -> None:
    names = resift.retrieval.__all__
    assert all(getattr(resift.retrieval, name) is not None for name in names)
    assert set(names) <= set(dir(resift.retrieval))
    assert loaded_by(f"from resift.retrieval import {', '.join(names)}") <= {"numpy", "tokenizers"}
    with pytest.raises(AttributeError):
        resift.retrieval.Faiss  # noqa: B018


def test_the_client_loads_no_engine() -> None:
    assert loaded_by("from resift import Client, AsyncClient") == {"numpy"}
    # httpx has a command of its own, which imports rich where that is installed.
    assert loaded_by("from resift import Client; Client()") <= {"numpy", "httpx", "rich"}


@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_a_client_without_httpx_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "resift.client.transport", raising=False)
    with pytest.raises(resift.errors.MissingExtra, match=r"resift\[client\]"):
        getattr(resift, name)()


def test_evaluation_loads_its_libraries_when_it_measures() -> None:
    assert loaded_by("import resift.evaluation") <= {"numpy"}

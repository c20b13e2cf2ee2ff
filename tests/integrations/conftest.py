"""The frameworks' own classes with ours inside: `pytest -m clients`, with the extra 'clients'.

Without that marker only the tests that need no framework are collected.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resift import Pipeline
from tests.clients.server import running
from tests.integrations.samples import TEXTS

FRAMEWORKS = ("test_langchain", "test_llama_index", "test_haystack", "test_rag")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.stem not in FRAMEWORKS or "clients" in (config.option.markexpr or ""):
        return None
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem in FRAMEWORKS:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # what frameworks warn of is their own affair
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the samples' texts, one document each."""
    folder = tmp_path_factory.mktemp("pipeline") / "index"
    with Pipeline.create(folder) as pipeline:
        pipeline.add(
            {"id": f"d{at}", "text": text, "place": at, "title": f"Title {at}"} for at, text in enumerate(TEXTS)
        )
    return folder


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running() as address:
        yield address

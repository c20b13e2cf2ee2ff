"""Published clients against a running server: `pytest -m clients`, with the extra 'clients'.

The folder is left out without that marker, and a client that is missing fails with it. Clients are imported in the
tests: what they warn of is their own affair.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.server import running

QUERY = "What is the capital of France?"
TEXTS = [
    "Berlin lies on the river Spree.",
    "Paris is the capital of France.",
    "The capital of Spain is Madrid.",
    "A kettle boils water.",
]
BEST = 1

os.environ |= {"HAYSTACK_TELEMETRY_ENABLED": "False", "LANGSMITH_TRACING": "false"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if "clients" in (config.option.markexpr or "") else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(scope="session")
def expected(url: str) -> list[tuple[int, float]]:
    """Places and scores, best first, from the library itself: what every client must hand to its user."""
    from resift import Reranker

    with Reranker(scores="sigmoid", truncation="longest_first") as reranker:
        return [(item.index, item.score) for item in reranker.rank(QUERY, TEXTS)]

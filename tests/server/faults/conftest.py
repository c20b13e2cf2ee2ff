import sys

import pytest

from resift import Reranker
from tests.server.faults.live import serving

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_*.py"]  # processes are found, limited and watched through /proc


def pytest_collection_modifyitems(config, items) -> None:
    """Run what takes minutes only where it was asked for."""
    if "soak" not in (config.option.markexpr or ""):
        for item in items:
            if item.get_closest_marker("soak") is not None:
                item.add_marker(pytest.mark.skip(reason="takes minutes: pytest -m soak"))


@pytest.fixture(scope="session")
def engine():
    """The engine in process: the same policy, precision and scale as the server is asked for."""
    with Reranker(precision="int8", scores="raw", truncation="longest_first", threads=2) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def live(engine, tmp_path_factory):
    """A server that a module's tests share; each leaves it well."""
    with serving(engine, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(autouse=True)
def _well(request):
    yield
    if "live" in request.fixturenames:
        request.getfixturevalue("live").assert_well(request.node.name)

"""Fixtures of the stores' tests."""

from collections.abc import Iterator

import pytest

from resift.retrieval.faiss_base import library


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """FAISS with one thread: its threads would wait for each other beside other tests; and graphs are the same now."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)

import numpy as np
import pytest

from resift.retrieval.faiss_base import Layout
from resift.retrieval.faiss_content import Content
from resift.retrieval.vectors import as_unit


def units(seed: int, count: int) -> np.ndarray:
    return as_unit(np.random.default_rng(seed).standard_normal((count, 8)), dimension=8, source="test")


def sizes(content: Content) -> tuple[int, int]:
    return (0 if content.base is None else content.base.rows, 0 if content.tail is None else content.tail.rows)


@pytest.mark.parametrize(
    ("base", "added", "after"),
    [
        (0, 100, (0, 100)),  # few: all are compared
        (0, 101, (101, 0)),
        (400, 100, (400, 100)),  # the buffer
        (400, 101, (501, 0)),
        (4000, 500, (4000, 500)),  # an eighth
        (4000, 501, (4501, 0)),
        (20000, 1600, (20000, 1600)),  # sixteen buffers
        (20000, 1601, (21601, 0)),
    ],
)
def test_when_the_latest_settle(base: int, added: int, after: tuple[int, int]) -> None:
    layout = Layout(buffer=100)
    content = Content(None, None)
    if base:
        content = content.with_rows(np.arange(base), units(1, base)).settled(layout)
        assert sizes(content) == (base, 0)
    content = content.with_rows(np.arange(base, base + added), units(2, added)).settled(layout)
    assert sizes(content) == after
    assert content.size == base + added


def test_a_quarter_of_deleted_vectors_is_too_much() -> None:
    layout = Layout(buffer=10)
    content = Content(None, None).with_rows(np.arange(100), units(3, 100)).settled(layout)
    assert sizes(content.without(np.arange(25)).settled(layout)) == (100, 0)
    assert sizes(content.without(np.arange(26)).settled(layout)) == (74, 0)
    assert sizes(content.without(np.arange(95)).settled(layout)) == (0, 5)
    assert (sizes(content), content.size) == ((100, 0), 100)


def test_nothing_finds_nothing() -> None:
    content = Content(None, None).rebuilt(Layout())
    assert list(content.find(Layout(), units(4, 2), top_k=3, among=None)) == [[], []]

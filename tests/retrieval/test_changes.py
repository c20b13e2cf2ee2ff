"""Whatever was added, replaced, deleted, merged, saved and opened again: an index is what is left in it."""

import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from resift.retrieval import bm25
from resift.retrieval.bm25 import BM25

WORDS = ["tea", "green", "量子力", "猫", "straße", "हिन्दी", "ที่นี่", "a", "of", "\u200b", "STRASSE", "café", "📚"]
ID = st.sampled_from([0, 1, 2, 3, 5, 8, -1, 2**31, 2**62, -(2**62), *range(20, 40)])
TEXT = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
QUERIES = ["tea", "green 猫 straße tea", "量子 ที่นี่", "of a हिन्दी café"]


class Changes(RuleBasedStateMachine):
    """Beside it a dictionary of what is in it, and of what was when it was saved."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.index = BM25.open(self.folder.name)
        self.texts: dict[int, str] = {}
        self.saved: tuple[int, dict[int, str]] = (0, {})

    @rule(documents=st.lists(st.tuples(ID, TEXT), max_size=12))
    def add(self, documents: list[tuple[int, str]]) -> None:
        self.index.add([id for id, _ in documents], [text for _, text in documents])
        self.texts.update(documents)

    @rule(documents=st.lists(st.tuples(ID, TEXT), min_size=8, max_size=20))
    def add_one_by_one(self, documents: list[tuple[int, str]]) -> None:
        for id, text in documents:
            self.index.add([id], [text])
        self.texts.update(documents)

    @rule(ids=st.lists(ID, max_size=12))
    def delete(self, ids: list[int]) -> None:
        self.index.delete(ids)
        for id in ids:
            self.texts.pop(id, None)

    @rule()
    def save(self) -> None:
        self.saved = (self.saved[0] + 1, dict(self.texts))
        self.index.save(mark=self.saved[0])

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.index = BM25.open(self.folder.name)
        assert self.index.mark == self.saved[0]
        self.texts = dict(self.saved[1])

    @rule()
    def compact(self) -> None:
        self.index.compact()

    @rule(ids=st.lists(ID, max_size=6), query=st.sampled_from(QUERIES), top_k=st.integers(1, 5))
    def search_among(self, ids: list[int], query: str, top_k: int) -> None:
        every = self.index.search(query, top_k=99)
        assert self.index.search(query, top_k=top_k, among=ids) == [hit for hit in every if hit.id in ids][:top_k]

    @invariant()
    def is_what_is_left(self) -> None:
        fresh = BM25(list(self.texts.values()), ids=list(self.texts))
        assert len(self.index) == len(fresh) == len(self.texts)
        for query in QUERIES:
            hits, expected = self.index.search(query, top_k=99), fresh.search(query, top_k=99)
            assert [hit.id for hit in hits] == [hit.id for hit in expected]
            assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], rel=1e-5)
            assert self.index.search(query, top_k=3) == hits[:3]

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            self.folder.cleanup()


def run(machine: type[RuleBasedStateMachine], examples: int) -> None:
    case = machine.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=15, deadline=None)
    case("runTest").runTest()


def test_any_history() -> None:
    run(Changes, 25)


def test_any_history_of_full_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25, "MOST_DOCUMENTS", 6)
    monkeypatch.setattr(bm25, "_BATCH_DOCUMENTS", 4)
    monkeypatch.setattr(bm25, "_SPILLED", 400)
    run(Changes, 25)


def test_segments_stay_few_and_compacting_makes_them_fewer() -> None:
    index = BM25()
    for i in range(600):
        index.add([i], [f"tea {i}"])
        assert len(index._now().parts) <= 8 * 4
    index.delete(range(0, 600, 2))
    assert len(index._now().parts) > 1
    index.compact()
    [part] = index._now().parts
    assert (part.documents, part.dead) == (300, None)

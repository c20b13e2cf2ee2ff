"""Whatever was added, replaced, deleted, synced, compacted and reopened: a search is that of a fresh pipeline."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resift.documents import Chunking
from resift.pipeline import Pipeline, SearchResult
from tests.pipeline.fakes import WordStore, contents, row

NAMES = st.sampled_from(["a", "b", "c", "d", "茶"])
WORDS = st.sampled_from(["green tea", "red apple", "北京是首都", "the old harbour", "rain"])
TEXTS = st.lists(WORDS, max_size=12).map(". ".join)
ROWS = st.dictionaries(NAMES, st.tuples(TEXTS, st.integers(0, 3)), max_size=4)
CHUNKING = Chunking(size=50, overlap=15)
QUERIES = ["green tea", "北京", "apple harbour", "rain"]


def rows(drawn: Mapping[str, tuple[str, int]]) -> list[dict[str, object]]:
    return [row(name, text, price=price) for name, (text, price) in drawn.items()]


def found(result: SearchResult) -> list[tuple[float, str, dict[str, float]]]:
    """Return what was found without the order of equal scores, which is that in which passages came."""
    return sorted((-hit.score, hit.id, dict(hit.scores)) for hit in result)


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._root = tempfile.TemporaryDirectory()
        self.folder = Path(self._root.name)
        self.model: dict[str, tuple[str, int]] = {}

    @initialize()
    def create(self) -> None:
        words = {"words": WordStore(self.folder / "words")}
        self.pipeline = Pipeline.create(self.folder / "p", own_stores=words, chunking=CHUNKING, reranker=False)

    @rule(drawn=ROWS)
    def add(self, drawn: dict[str, tuple[str, int]]) -> None:
        changes = self.pipeline.add(rows(drawn))
        new = [name for name in drawn if name not in self.model]
        same = [name for name in drawn if self.model.get(name) == drawn[name]]
        assert (changes.added, changes.unchanged) == (len(new), len(same))
        assert changes.replaced == len(drawn) - len(new) - len(same)
        self.model.update(drawn)

    @rule(names=st.lists(NAMES))
    def delete(self, names: list[str]) -> None:
        gone = {name for name in names if name in self.model}
        assert self.pipeline.delete(names) == len(gone)
        for name in gone:
            del self.model[name]

    @rule(drawn=ROWS)
    def sync(self, drawn: dict[str, tuple[str, int]]) -> None:
        gone = [name for name in self.model if name not in drawn]
        assert self.pipeline.sync(rows(drawn), allow_empty=True).deleted == len(gone)
        self.model = dict(drawn)

    @rule()
    def compact(self) -> None:
        self.pipeline.compact()
        assert self.pipeline.info.waste == 0

    @rule()
    def reopen(self) -> None:
        self.pipeline.close()
        words = {"words": WordStore(self.folder / "words")}
        self.pipeline = Pipeline(self.folder / "p", own_stores=words, reranker=False)

    @invariant()
    def documents_are_those_of_the_model(self) -> None:
        assert len(self.pipeline) == len(self.model)
        assert set(contents(self.pipeline)) == set(self.model)

    @precondition(lambda self: self.model)
    @rule(price=st.integers(0, 3))
    def a_fresh_one_finds_the_same(self, price: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            words = {"words": WordStore()}
            with Pipeline.create(Path(folder) / "p", own_stores=words, chunking=CHUNKING, reranker=False) as fresh:
                fresh.add(rows(self.model))
                for query in QUERIES:
                    for store in ("bm25", "words"):
                        options: dict[str, Any] = {"stores": [store], "top_k": 1000, "where": {"price": {"ge": price}}}
                        assert found(self.pipeline.search(query, **options)) == found(fresh.search(query, **options))

    def teardown(self) -> None:
        self.pipeline.close()
        self._root.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=15, stateful_step_count=20)

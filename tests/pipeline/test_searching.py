"""The stages of a search, on stores of word sets: what each one gets, makes and says."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resift.documents import Block, Chunking, Document, Passage
from resift.errors import InputError, ResiftWarning
from resift.pipeline import Pipeline, searching
from resift.pipeline.searching import joined
from tests.pipeline.fakes import LongestFirst, WordStore, documents, ids, row

TEXTS = {
    "a": "red apple",
    "b": "red red pear and much more than that",
    "c": "red apple pie of the day",
    "d": "green apple",
    "e": "blue plum",
}


class Backwards(WordStore):
    """Finds what has the words, the last one first."""

    def search(self, query: str, *, top_k: int, among: Any = None) -> list[Any]:
        hits = super().search(query, top_k=10_000, among=among)
        return [type(hit)(hit.id, float(hit.id)) for hit in sorted(hits, key=lambda hit: -int(hit.id))][:top_k]


@pytest.fixture
def ranker() -> LongestFirst:
    return LongestFirst()


@pytest.fixture
def pipeline(tmp_path: Path, ranker: LongestFirst) -> Iterator[Pipeline]:
    stores = {"words": WordStore(), "backwards": Backwards()}
    with Pipeline.create(tmp_path / "p", stores=(), own_stores=stores, reranker=ranker, max_depth=100) as made:
        made.add([row(name, text, place=place) for place, (name, text) in enumerate(TEXTS.items())])
        yield made


def stages(result: Any) -> list[tuple[str, int]]:
    return [(stage.name, stage.found) for stage in result.stages]


def test_each_stage_says_what_it_made(pipeline: Pipeline) -> None:
    result = pipeline.search("red apple")
    assert documents(result) == ["b", "c", "d", "a"]  # the longest first, then in the first stage's order
    assert stages(result) == [("words", 4), ("backwards", 4), ("read", 4), ("fusion", 4), ("rerank", 4)]
    assert all(stage.seconds >= 0 for stage in result.stages)
    assert result.seconds == sum(stage.seconds for stage in result.stages)
    first = result[0]
    assert first.ranks == {"words": 3, "backwards": 3, "fusion": 4, "rerank": 1}
    assert first.scores == {"words": 1.0, "backwards": 2.0, "fusion": 2 / 63, "rerank": float(len(TEXTS["b"]))}
    assert (first.score, first.stage) == (float(len(TEXTS["b"])), "rerank")
    assert first.why == "words 3 (1), backwards 3 (2), fusion 4 (0.03175), rerank 1 (36)"


def test_without_reranking(pipeline: Pipeline, ranker: LongestFirst) -> None:
    for options in ({"rerank": False}, {"depth": 0}):
        result = pipeline.search("red apple", **options)  # type: ignore[arg-type]
        assert documents(result) == ["c", "a", "d", "b"]
        assert [hit.stage for hit in result] == ["fusion"] * 4
        assert stages(result)[-1] == ("fusion", 4)
    assert ranker.runs == 0


def test_what_was_not_reranked_is_not_explained(pipeline: Pipeline) -> None:
    assert [hit.explanation for hit in pipeline.search("red", rerank=False, explain=True)] == [None] * 3


def test_one_store_needs_no_fusion(pipeline: Pipeline) -> None:
    result = pipeline.search("red apple", stores=["words"], rerank=False)
    assert documents(result) == ["a", "c", "b", "d"]
    assert stages(result) == [("words", 4), ("read", 4)]
    assert result[0].stage == "words"


def test_below_the_depth_the_order_stays(pipeline: Pipeline, ranker: LongestFirst) -> None:
    result = pipeline.search("red apple", depth=2)
    assert documents(result) == ["c", "a", "d", "b"]
    assert [hit.stage for hit in result] == ["rerank", "rerank", "fusion", "fusion"]
    assert ranker.pairs == 2


def test_weights(pipeline: Pipeline) -> None:
    assert documents(pipeline.search("red apple", rerank=False, weights={"backwards": 0})) == ["a", "c", "b", "d"]
    assert documents(pipeline.search("red apple", rerank=False, weights={"words": 0})) == ["d", "c", "b", "a"]
    weighted = pipeline.search("red apple", rerank=False, fusion="weighted")
    assert [(hit.document, round(hit.score, 3)) for hit in weighted] == [
        ("c", 1.667), ("a", 1.0), ("d", 1.0), ("b", 0.333),
    ]  # fmt: skip
    with pytest.raises(InputError, match="weights are for bm25"):
        pipeline.search("red apple", weights={"bm25": 1})


def test_recall_is_asked_of_each_store(pipeline: Pipeline) -> None:
    assert stages(pipeline.search("red apple", recall=2, top_k=1, depth=1))[:4] == [
        ("words", 2), ("backwards", 2), ("read", 3), ("fusion", 3),
    ]  # fmt: skip


def test_where(pipeline: Pipeline) -> None:
    result = pipeline.search("red apple", where={"place": {"ge": 2}})
    assert documents(result) == ["c", "d"]
    assert stages(result)[0] == ("where", 3)
    assert documents(pipeline.search("red apple", where={"place": 99})) == []
    assert documents(pipeline.search("red apple", where={"_id": ["a", "e"]})) == ["a"]


def test_a_condition_is_worked_out_again_after_a_change(pipeline: Pipeline) -> None:
    where = {"place": {"lt": 2}, "_id": {"in": ["a", "b", "new"]}}
    assert documents(pipeline.search("red", where=where)) == ["b", "a"]
    assert documents(pipeline.search("red", where=where)) == ["b", "a"]
    pipeline.add([row("new", "red and new and all of that is quite long", place=1)])
    assert documents(pipeline.search("red", where=where)) == ["new", "b", "a"]


def test_threshold(pipeline: Pipeline) -> None:
    assert documents(pipeline.search("red apple", threshold=20)) == ["b", "c"]
    # What was not reranked has no score that could pass.
    assert documents(pipeline.search("red apple", threshold=0, depth=2)) == ["c", "a"]
    assert documents(pipeline.search("red apple", threshold=2, rerank=False, stores=["words"])) == ["a", "c"]


def test_top_k(pipeline: Pipeline) -> None:
    assert documents(pipeline.search("red apple", top_k=2)) == ["b", "c"]
    assert documents(pipeline.search("red apple", top_k=0)) == []


def test_a_batch_is_one_run(pipeline: Pipeline, ranker: LongestFirst) -> None:
    results = pipeline.search_many(["red apple", "", "plum", "nothing"])
    assert [documents(result) for result in results] == [["b", "c", "d", "a"], [], ["e"], []]
    assert ranker.runs == 1
    assert [stages(result)[-1:] for result in results] == [[("rerank", 4)], [], [("rerank", 1)], [("rerank", 0)]]


def test_large_batches_come_in_parts(pipeline: Pipeline, ranker: LongestFirst, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = ["red apple", "plum", "", "green", "red"]
    together = pipeline.search_many(queries)
    monkeypatch.setattr(searching, "_AT_ONCE", 2)
    ranker.runs = 0
    assert [ids(one) for one in pipeline.search_many(queries)] == [ids(one) for one in together]
    assert ranker.runs == 3


def test_what_has_no_score_is_last(tmp_path: Path) -> None:
    ranker = LongestFirst(broken=[TEXTS["b"], TEXTS["a"]])
    with Pipeline.create(tmp_path / "p", stores=(), own_stores={"words": WordStore()}, reranker=ranker) as pipeline:
        pipeline.add([row(name, text) for name, text in TEXTS.items()])
        result = pipeline.search("red apple")
        assert documents(result) == ["c", "d", "a", "b"]
        assert [hit.stage for hit in result] == ["rerank", "rerank", "words", "words"]
        assert documents(pipeline.search("red apple", threshold=0)) == ["c", "d"]


def test_depth_is_capped(pipeline: Pipeline) -> None:
    with pytest.warns(ResiftWarning, match="depth is 101"):
        pipeline.search("red", depth=101)
    pipeline.search("red", depth=101, rerank=False)


def test_unknown_stores(pipeline: Pipeline) -> None:
    for wanted in (["bm25"], []):
        with pytest.raises(InputError, match="expected some of words, backwards"):
            pipeline.search("red", stores=wanted)


def long_document(name: str, *sentences: str) -> Document:
    return Document(name, None, [Block(" ".join(sentences))])


def test_passages_of_one_document(tmp_path: Path) -> None:
    filler = [f"The red apple number {i} fell from the old tree at noon." for i in range(12)]
    chunking = Chunking(size=120, overlap=0)
    store = {"words": WordStore()}
    with Pipeline.create(tmp_path / "p", stores=(), own_stores=store, chunking=chunking, reranker=False) as pipeline:
        pipeline.add([long_document("long", *filler), row("short", "A red one.")])
        assert len(pipeline.search("red apple", top_k=20)) == 7
        result = pipeline.search("red apple", per_document=1)
        assert ids(result) == ["long#0", "short#0"]
        assert len(pipeline.search("red apple", per_document=2)) == 3
        hit = pipeline.search("red apple number 3", context=1, top_k=1)[0]
        before, after = hit.passage.place - 1, hit.passage.place + 1
        passages = pipeline.get("long").passages  # type: ignore[union-attr]
        assert hit.context == "\n".join(one.text for one in passages[max(before, 0) : after + 1])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ""),
        (["one"], "one"),
        (["one two", "three"], "one two\nthree"),
        (["One. Two is here.", "Two is here. Three."], "One. Two is here. Three."),
        (["天气很好。我们去公园。", "我们去公园。然后回家。"], "天气很好。我们去公园。然后回家。"),
        (["same same", "same same"], "same same same same"),
    ],
)
def test_neighbours_are_joined(texts: Sequence[str], expected: str) -> None:
    passages = [Passage("d", place, text) for place, text in enumerate(texts)]
    if expected == "same same same same":  # a text that repeats itself is cut by no more than the overlap
        assert joined(passages, overlap=4) == "same same same"
    else:
        assert joined(passages, overlap=100) == expected


def test_a_search_changes_nothing_that_it_was_given(pipeline: Pipeline) -> None:
    where: Mapping[str, Any] = {"place": {"in": [0, 1, 2]}}
    pipeline.search("red", where=where, weights={"words": 2.0})
    assert where == {"place": {"in": [0, 1, 2]}}

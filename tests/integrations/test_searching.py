"""What finds for a framework: opened late, of a folder that others write to, with the results of `Pipeline`."""

import asyncio
import copy
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift import Pipeline
from resift.errors import InputError
from resift.integrations.searching import Found, LazyPipeline
from resift.retrieval import BM25, Hit
from tests.integrations.samples import QUERY, TEXTS


@pytest.fixture
def lazy(index: Path) -> Iterator[LazyPipeline]:
    with LazyPipeline(index) as opened:
        yield opened


@pytest.fixture(scope="module")
def pipeline(index: Path) -> Iterator[Pipeline]:
    with Pipeline(index, writable=False) as opened:
        yield opened


def test_it_finds_what_the_pipeline_finds(lazy: LazyPipeline, pipeline: Pipeline) -> None:
    expected = pipeline.search(QUERY)
    found = lazy.search(QUERY)
    assert [(one.id, one.score, one.text) for one in found] == [(hit.id, hit.score, hit.full_text) for hit in expected]
    assert found == asyncio.run(lazy.asearch(QUERY)) == LazyPipeline(pipeline=pipeline).search(QUERY)
    best = found[0]
    assert best.text.endswith(TEXTS[1])
    assert best.metadata == {
        "title": "Title 1",
        "source": expected[0].source,
        **expected[0].fields,
        "document": "d1",
        "relevance_score": best.score,
        "stage": "rerank",
        "scores": expected[0].scores,
        "ranks": expected[0].ranks,
    }
    assert set(best.metadata["scores"]) >= {"bm25", "rerank"}


def test_a_call_may_ask_otherwise(lazy: LazyPipeline) -> None:
    assert len(lazy.search(QUERY, top_k=1)) == 1
    assert [one.metadata["place"] for one in lazy.search(QUERY, where={"place": {"ge": 2}})] == [2]
    narrow = LazyPipeline(lazy.folder, top_k=1, where={"place": [0, 2]}, rerank=False, content="text")
    with narrow:
        [found] = narrow.search(QUERY)
        assert (found.text, found.metadata["stage"]) == (TEXTS[2], "bm25")
        assert narrow.search(QUERY, where={"place": 1})[0].text == TEXTS[1]
    assert lazy.search("") == []


def test_options_are_those_of_search(index: Path) -> None:
    with LazyPipeline(index, options={"context": 1, "depth": 2}, content="context") as lazy:
        found = lazy.search(QUERY)
        assert found[0].text.endswith(TEXTS[1])
        assert [one.metadata["stage"] for one in found[:2]] == ["rerank"] * 2


def test_fields_keep_their_names_and_results_theirs(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "index") as pipeline:
        pipeline.add(
            [{"id": "a", "text": "tea", "source": "theirs", "page": "9", "scores": "theirs", "stage": "theirs"}]
        )
        [found] = LazyPipeline(pipeline=pipeline, rerank=False).search("tea")
    assert (found.metadata["source"], found.metadata["page"]) == ("theirs", "9")
    assert (found.metadata["stage"], list(found.metadata["scores"])) == ("bm25", ["bm25"])


def test_what_is_written_meanwhile_is_found_next(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "index") as writer:
        writer.add(["green tea"])
        with LazyPipeline(tmp_path / "index", rerank=False) as lazy:
            assert len(lazy.search("tea")) == 1
            writer.add(["black tea"])
            assert len(lazy.search("tea")) == 2


def test_nothing_is_opened_before_the_first_question_and_again_after_close(index: Path, tmp_path: Path) -> None:
    LazyPipeline(tmp_path / "nothing").close()
    with pytest.raises(InputError, match="nothing"):
        LazyPipeline(tmp_path / "nothing").warm_up()
    lazy = LazyPipeline(index, rerank=False)
    first = lazy.search(QUERY)
    lazy.close()
    lazy.close()
    assert lazy.search(QUERY) == first
    lazy.close()


def test_a_ready_made_one_stays_open(pipeline: Pipeline) -> None:
    lazy = LazyPipeline(pipeline=pipeline)
    lazy.search(QUERY)
    lazy.close()
    assert len(pipeline.search(QUERY)) > 0


def test_threads_open_one(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    original = Pipeline.__init__

    def counted(self: Pipeline, *args: Any, **named: Any) -> None:
        opened.append(self)
        original(self, *args, **named)

    monkeypatch.setattr(Pipeline, "__init__", counted)
    barrier = threading.Barrier(4)

    def ask(_: int) -> list[Found]:
        barrier.wait(30)
        return lazy.search(QUERY)

    with LazyPipeline(index, rerank=False) as lazy, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    assert answers == answers[:1] * 4
    assert len(opened) == 1


def test_copies_open_their_own(lazy: LazyPipeline, pipeline: Pipeline) -> None:
    found = lazy.search(QUERY)
    for again in (copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy))):
        with again:
            assert again.search(QUERY) == found
    with pytest.raises(InputError, match="folder="):
        pickle.dumps(LazyPipeline(pipeline=pipeline))


@dataclass
class Keys:
    """A retriever of ids that has texts, as `MilvusIndex`."""

    gone: str = ""

    def search(self, query: str, *, top_k: int) -> list[Hit]:
        return [Hit("茶", 2.0), Hit("b", 1.0), Hit("c", 0.5)][:top_k]

    def texts(self, ids: list[str]) -> list[str | None]:
        return [None if one == self.gone else f"text of {one}" for one in ids]


def test_retrievers_of_ids_that_have_texts() -> None:
    assert LazyPipeline(pipeline=Keys(gone="b")).search("tea") == [
        Found("茶", "text of 茶", 2.0, {"document": "茶", "relevance_score": 2.0}),
        Found("c", "text of c", 0.5, {"document": "c", "relevance_score": 0.5}),
    ]
    with pytest.raises(InputError, match="BM25 finds ids"):
        LazyPipeline(pipeline=BM25(["tea"])).search("tea")
    assert LazyPipeline(pipeline=BM25(["tea"])).search("coffee") == []


def test_a_milvus_index(tmp_path: Path) -> None:
    from resift.retrieval import MilvusIndex

    with MilvusIndex.open(tmp_path / "store") as index:
        index.add(np.arange(len(TEXTS)), TEXTS)
        assert LazyPipeline(pipeline=index, top_k=1).search(QUERY)[0].text == TEXTS[1]


def test_what_does_not_fit() -> None:
    for wrong, words in [
        ({}, "either"),
        ({"folder": "a", "pipeline": Keys()}, "either"),
        ({"pipeline": 3}, "int"),
        ({"pipeline": Keys(), "reranker": "model"}, "its own"),
        ({"folder": "a", "top_k": 0}, "at least 1"),
        ({"folder": "a", "top_k": True}, "at least 1"),
        ({"folder": "a", "content": "title"}, "full_text, text, context"),
        ({"folder": "a", "options": {"deep": 3}}, "'deep'.*depth"),
        ({"folder": "a", "options": {"top_k": 3}}, "'top_k'"),
    ]:
        with pytest.raises(InputError, match=words):
            LazyPipeline(**wrong)
    with pytest.raises(InputError, match="at least 1"):
        LazyPipeline(pipeline=Keys()).search("tea", top_k=0)

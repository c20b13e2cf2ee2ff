"""Changes reach every store, whatever a store does on the way."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resift.errors import InputError, ResiftWarning
from resift.pipeline import Pipeline, indexing
from tests.pipeline.fakes import WordStore, contents, documents, row


@pytest.fixture
def stores(tmp_path: Path) -> dict[str, WordStore]:
    return {"one": WordStore(tmp_path / "one"), "two": WordStore(tmp_path / "two")}


@pytest.fixture
def pipeline(tmp_path: Path, stores: dict[str, WordStore]) -> Iterator[Pipeline]:
    with Pipeline.create(tmp_path / "p", stores=(), own_stores=stores, reranker=False) as made:
        made.add([row("a", "red apple"), row("b", "green apple")])
        yield made


def test_a_failing_store_stops_no_other_and_catches_up(pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    stores["one"].failing = ConnectionError("the encoder is down")
    with pytest.raises(ConnectionError, match="encoder is down"):
        pipeline.add([row("c", "red plum")])
    assert documents(pipeline.search("red")) == ["a", "c"]
    assert [(store.name, store.behind) for store in pipeline.info.stores] == [("one", 1), ("two", 0)]
    assert [stage.name for stage in pipeline.search("red").stages] == ["two", "read"]
    with pytest.raises(InputError, match="'one' could not take the last changes: the encoder is down"):
        pipeline.search("red", stores=["one"])
    with pytest.raises(ConnectionError):
        pipeline.add([row("a", "blue plum")])
    stores["one"].failing = None
    pipeline.delete(["b"])
    assert [store.behind for store in pipeline.info.stores] == [0, 0]
    assert sorted(stores["one"].words.values(), key=sorted) == sorted(stores["two"].words.values(), key=sorted)
    assert {hit.text for hit in pipeline.search("plum", stores=["one"])} == {"red plum", "blue plum"}


def test_a_store_that_fails_at_opening_is_told_and_tried_again(
    tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore]
) -> None:
    stores["one"].failing = ValueError("no vector")
    with pytest.raises(ValueError, match="no vector"):
        pipeline.add([row("c", "red plum")])
    pipeline.close()
    with pytest.warns(ResiftWarning, match="'one' .*no vector"):
        again = Pipeline(tmp_path / "p", own_stores=stores, reranker=False)
    with again:
        assert documents(again.search("red")) == ["a", "c"]
        again.delete(["c"])  # what it could not take is gone
        assert [store.behind for store in again.info.stores] == [0, 0]


def test_when_all_fail_the_old_state_is_seen(pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    for store in stores.values():
        store.failing = ConnectionError("down")
    with pytest.raises(ConnectionError):
        pipeline.add([row("a", "blue plum"), row("c", "red plum")])
    assert documents(pipeline.search("red apple")) == ["a", "b"]
    assert pipeline.search("red apple")[0].text == "red apple"
    assert len(pipeline) == 2
    for store in stores.values():
        store.failing = None
    assert pipeline.add([]).added == 0  # but the stores catch up
    assert documents(pipeline.search("plum")) == ["a", "c"]


def test_interrupted_between_the_truth_and_the_stores(
    tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore]
) -> None:
    def interrupt(name: str) -> None:
        if name == "committed":
            raise KeyboardInterrupt

    writer = pipeline._opened.indexing
    assert writer is not None
    writer._step = interrupt
    with pytest.raises(KeyboardInterrupt):
        pipeline.add([row("c", "red plum")])
    writer._step = lambda name: None
    assert documents(pipeline.search("red")) == ["a"]
    pipeline.close()
    with Pipeline(tmp_path / "p", own_stores=stores, reranker=False) as again:
        assert documents(again.search("red")) == ["a", "c"]


def test_large_changes_come_in_parts(
    tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_AT_ONCE", 3)
    monkeypatch.setattr(indexing, "_SAVE_EVERY", 5)
    stores["one"].calls.clear()
    pipeline.add([row(f"n{i}", f"text {i}") for i in range(7)])
    assert stores["one"].calls == ["add", "add", "add", "save"]
    assert len(stores["one"]) == 9
    assert len(pipeline.search("text", top_k=20)) == 7


def test_changes_wait_for_each_other(pipeline: Pipeline) -> None:
    def add(number: int) -> None:
        pipeline.add([row(f"{number}-{i}", f"word{number} word") for i in range(5)])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(contents(pipeline)) == 22
    assert len(pipeline.search("word", top_k=50)) == 20


def test_a_store_of_another_pipeline(tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    pipeline.close()
    with pytest.raises(InputError, match="'one' has 1 changes, the documents 0"):
        Pipeline.create(tmp_path / "q", stores=(), own_stores={"one": stores["one"]})


def test_a_store_that_is_missing(tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    pipeline.close()
    with pytest.raises(InputError, match="own_stores"):
        Pipeline(tmp_path / "p", own_stores={"one": stores["one"]})


def test_an_empty_store_is_filled(tmp_path: Path, pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    pipeline.close()
    with Pipeline(tmp_path / "p", own_stores={**stores, "two": WordStore()}, reranker=False) as again:
        assert documents(again.search("red", stores=["two"])) == ["a"]


def test_given_stores_stay_open(pipeline: Pipeline, stores: dict[str, WordStore]) -> None:
    pipeline.close()
    assert "close" not in stores["one"].calls

"""Opening and closing: nothing stays behind, whatever goes wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from resift.errors import InputError, ResiftError, ResiftWarning
from resift.pipeline import Pipeline
from resift.pipeline.lock import WriterLock
from resift.pipeline.opening import open_folder
from tests.pipeline.fakes import WordStore, row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Pipeline.create(tmp_path / "p", reranker=False) as pipeline:
        pipeline.add([row("a", "red apple")])
    return tmp_path / "p"


def test_a_failed_opening_holds_nothing(folder: Path) -> None:
    config = json.loads((folder / "pipeline.json").read_text())
    (folder / "pipeline.json").write_text(json.dumps({**config, "stores": {"bm25": {"analyzer": "words"}}}))
    handles = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for writable in (True, False):
        with pytest.raises(InputError, match="ngrams"):
            open_folder(folder, writable=writable)
    if handles:
        assert len(list(Path("/proc/self/fd").iterdir())) == handles
    WriterLock(folder).close()


def test_a_failed_saving_at_the_end_is_told_and_made_good(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full(WordStore):
        def save(self, *, mark: int) -> None:
            raise OSError("no space left")

    with Pipeline.create(folder.parent / "q", stores=(), own_stores={"words": Full()}, reranker=False) as pipeline:
        with pytest.raises(OSError, match="no space left"):
            pipeline.add([row("a", "red apple")])
        assert [hit.document for hit in pipeline.search("red")] == ["a"]
    assert "catches up when the pipeline is opened again: no space left" in caplog.text
    with Pipeline(folder.parent / "q", own_stores={"words": WordStore()}, reranker=False) as again:
        assert [hit.document for hit in again.search("red")] == ["a"]


def test_a_reader_of_what_is_just_being_filled(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "q", reranker=False) as writer:
        readers: list[Pipeline] = []

        def rows() -> Iterator[dict[str, object]]:
            yield from (row(f"n{i}", "red apple") for i in range(1001))
            with pytest.warns(ResiftWarning, match="is being filled"):
                readers.append(Pipeline(tmp_path / "q", writable=False, reranker=False))
            assert (len(readers[0]), len(readers[0].search("red")), readers[0].refresh()) == (0, 0, False)

        writer.add(rows())
        with readers[0] as reader:
            assert reader.refresh()
            assert (len(reader), len(reader.search("red"))) == (1001, 10)


def test_a_refresh_that_fails_leaves_the_old_state(folder: Path) -> None:
    with Pipeline(folder, reranker=False) as writer, Pipeline(folder, writable=False, reranker=False) as reader:
        writer.add([row("b", "red plum")])
        hidden = folder / "hidden"
        (folder / "bm25").rename(hidden)
        with pytest.raises(ResiftError, match="once for writing"):
            reader.refresh()
        assert len(reader.search("red")) == 1
        hidden.rename(folder / "bm25")
        assert reader.refresh()
        assert len(reader.search("red")) == 2

"""Real stores behind a pipeline: vectors, encoders that the folder holds or does not, and broken folders."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from resift.errors import FolderBusy, InputError, ResiftWarning, StoreDamaged
from resift.loading.source import EMBEDDED_FOLDER
from resift.pipeline import Pipeline
from tests.pipeline.fakes import LetterEncoder, documents, row

ROWS = [
    row("a", "aaaa abab", colour="red"),
    row("b", "bbbb baba", colour="red"),
    row("c", "cccc caca", colour="blue"),
]


def dense_stores() -> list[Any]:
    stores = []
    for name, module in (("faiss", "faiss"), ("milvus", "milvus_lite")):
        stores.append(pytest.param(name, marks=pytest.mark.skipif(not _there(module), reason=f"needs {module}")))
    return stores


def _there(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def changed(pipeline: Pipeline) -> None:
    pipeline.add(ROWS)
    pipeline.add([row("b", "zzzz zzzz", colour="blue"), row("d", "bbbb bbbb", colour="red")])
    pipeline.delete(["a"])


def check(pipeline: Pipeline, store: str) -> None:
    assert documents(pipeline.search("bb", stores=[store], top_k=1)) == ["d"]
    assert documents(pipeline.search("zz", stores=[store], top_k=1)) == ["b"]
    assert documents(pipeline.search("aa", stores=[store], top_k=1)) == ["c"]
    assert sorted(documents(pipeline.search("zz", stores=[store], where={"colour": "blue"}))) == ["b", "c"]
    assert [len(one) for one in pipeline.search_many(["zz", "bb"], stores=[store])] == [3, 3]


@pytest.mark.parametrize("store", dense_stores())
def test_vectors(tmp_path: Path, store: str) -> None:
    encoder = LetterEncoder()
    with Pipeline.create(tmp_path / "p", stores=["bm25", store], encoder=encoder, reranker=False) as pipeline:
        changed(pipeline)
        check(pipeline, store)
        result = pipeline.search("cccc")
        assert [stage.name for stage in result.stages] == ["bm25", store, "read", "fusion"]
        assert set(result[0].scores) == {"bm25", store, "fusion"}
    with pytest.raises(InputError, match="give encoder="):
        Pipeline(tmp_path / "p")
    with Pipeline(tmp_path / "p", encoder=encoder, reranker=False) as pipeline:
        check(pipeline, store)
        assert pipeline.info.encoder == "letters"
        assert pipeline.compact() == 2
        check(pipeline, store)


@pytest.mark.parametrize("store", dense_stores())
def test_a_lost_folder_is_made_again(tmp_path: Path, store: str) -> None:
    with Pipeline.create(tmp_path / "p", stores=[store], encoder=LetterEncoder(), reranker=False) as pipeline:
        changed(pipeline)
    shutil.rmtree(tmp_path / "p" / store)
    with pytest.raises(StoreDamaged, match="once for writing"):
        Pipeline(tmp_path / "p", encoder=LetterEncoder(), writable=False)
    with pytest.warns(ResiftWarning, match=f"{store} is made again"):
        pipeline = Pipeline(tmp_path / "p", encoder=LetterEncoder(), reranker=False)
    with pipeline:
        check(pipeline, store)


@pytest.mark.skipif(not _there("faiss"), reason="needs faiss")
def test_another_encoder_is_refused(tmp_path: Path) -> None:
    class Other(LetterEncoder):
        name = "others"

    with Pipeline.create(tmp_path / "p", stores=["faiss"], encoder=LetterEncoder(), reranker=False) as pipeline:
        pipeline.add(ROWS)
    with pytest.raises(InputError, match="letters"):
        Pipeline(tmp_path / "p", encoder=Other())


@pytest.mark.skipif(not _there("faiss"), reason="needs faiss")
def test_options_of_stores_are_kept(tmp_path: Path) -> None:
    stores = {"bm25": {"k1": 1.2}, "faiss": {"kind": "hnsw", "m": 8}}
    with Pipeline.create(tmp_path / "p", stores=stores, encoder=LetterEncoder(), reranker=False) as pipeline:
        changed(pipeline)
    with Pipeline(tmp_path / "p", encoder=LetterEncoder(), reranker=False) as pipeline:
        check(pipeline, "faiss")
        assert pipeline._opened.config.stores == {
            "bm25": {"analyzer": "ngrams", "k1": 1.2},
            "faiss": {"kind": "hnsw", "m": 8},
        }


@pytest.mark.skipif(not _there("faiss"), reason="needs faiss")
def test_an_encoder_that_is_down(tmp_path: Path) -> None:
    class Flaky(LetterEncoder):
        down = False

        def encode_documents(self, texts: Sequence[str]) -> Any:
            if self.down:
                raise ConnectionError("nobody answers")
            return super().encode_documents(texts)

    encoder = Flaky()
    with Pipeline.create(tmp_path / "p", stores=["bm25", "faiss"], encoder=encoder, reranker=False) as pipeline:
        pipeline.add(ROWS)
        encoder.down = True
        with pytest.raises(ConnectionError, match="nobody answers"):
            pipeline.add([row("d", "bbbb bbbb")])
        assert "d" in documents(pipeline.search("bbbb"))
    with pytest.warns(ResiftWarning, match="'faiss' until it takes the last changes.*nobody answers"):
        pipeline = Pipeline(tmp_path / "p", encoder=encoder, reranker=False)
    with pipeline:
        assert "d" in documents(pipeline.search("bbbb"))
        encoder.down = False
        pipeline.add([])
        assert documents(pipeline.search("bb", stores=["faiss"], top_k=2)) == ["d", "b"]


@pytest.mark.skipif(not _there("milvus_lite"), reason="needs milvus_lite")
def test_a_milvus_file_is_for_one_process(tmp_path: Path) -> None:
    with (
        Pipeline.create(tmp_path / "p", stores=["milvus"], encoder=LetterEncoder(), reranker=False) as pipeline,
        pytest.raises(FolderBusy),
    ):
        pipeline.add(ROWS)
        Pipeline(tmp_path / "p", encoder=LetterEncoder(), writable=False)


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir() or not _there("faiss"), reason="needs the embedded model and faiss")
def test_the_embedded_encoder_needs_no_argument(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "p", stores=["faiss"], reranker=False) as pipeline:
        pipeline.add([row("tea", "Green tea is steeped at eighty degrees."), row("car", "The car needs new tyres.")])
    with Pipeline(tmp_path / "p", reranker=False) as pipeline:
        assert documents(pipeline.search("green tea"))[0] == "tea"

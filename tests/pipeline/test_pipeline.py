"""The API on small folders; stages, crashes and threads have files of their own."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resift import Pipeline, Reranker
from resift.documents import Block, Chunking, Columns, Document
from resift.errors import EngineClosed, FolderBusy, InputError, ResiftWarning, StoreDamaged
from resift.loading.source import EMBEDDED_FOLDER
from resift.pipeline import Changes
from tests.pipeline.fakes import LongestFirst, WordStore, contents, documents, ids, row

TEXTS = [
    row("paris", "Paris is the capital of France.", lang="en"),
    row("berlin", "Berlin is the capital of Germany.", lang="en"),
    row("beijing", "北京是中国的首都。", lang="zh"),
    row("tea", "Green tea is steeped at eighty degrees.", lang="en", price=4),
]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline.create(tmp_path / "p", reranker=False) as made:
        made.add(TEXTS)
        yield made


def counts(changes: Changes) -> tuple[int, int, int, int]:
    return changes.added, changes.replaced, changes.unchanged, changes.deleted


# Changes


def test_add_replace_delete(pipeline: Pipeline) -> None:
    assert len(pipeline) == 4
    assert documents(pipeline.search("capital of France")) == ["paris", "berlin"]
    changed = pipeline.add([TEXTS[0], row("berlin", "Berlin lies on the Spree."), row("rome", "Rome is the capital.")])
    assert counts(changed) == (1, 1, 1, 0)
    assert changed.passages == 2
    assert documents(pipeline.search("capital")) == ["rome", "paris"]
    assert documents(pipeline.search("Spree")) == ["berlin"]
    assert pipeline.delete(["rome", "nobody"]) == 1
    assert documents(pipeline.search("capital")) == ["paris"]
    assert len(pipeline) == 4


def test_unchanged_documents_cost_nothing(tmp_path: Path) -> None:
    store = WordStore()
    with Pipeline.create(tmp_path / "p", stores=(), own_stores={"words": store}, reranker=False) as pipeline:
        pipeline.add(TEXTS)
        store.calls.clear()
        assert counts(pipeline.add(TEXTS)) == (0, 0, 4, 0)
        assert store.calls == []
        assert pipeline.info.sequence == 1


def test_another_field_is_another_document(pipeline: Pipeline) -> None:
    assert counts(pipeline.add([{**TEXTS[3], "price": 5}])) == (0, 1, 0, 0)
    assert pipeline.search("tea")[0].fields == {"lang": "en", "price": 5}


def test_two_documents_of_one_id_are_an_error(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="two documents have the id 'new'"):
        pipeline.add([row("new", "one"), row("new", "two")])
    with pytest.raises(InputError, match="two documents have the id 'paris'"):
        pipeline.add([TEXTS[0], row("paris", "Paris, Texas.")])
    assert pipeline.get("new") is None
    assert counts(pipeline.add([row("new", "one"), row("new", "one")])) == (1, 0, 1, 0)


def test_two_of_one_id_are_found_across_batches(pipeline: Pipeline) -> None:
    many = [row(f"n{i}", "x") for i in range(1500)]
    with pytest.raises(InputError, match=r"the id 'n0'.*1000 documents"):
        pipeline.add([*many, row("n0", "y")])
    assert len(pipeline) == 1004


def test_sync(pipeline: Pipeline) -> None:
    changed = pipeline.sync([TEXTS[0], row("rome", "Rome is in Italy.")])
    assert counts(changed) == (1, 0, 1, 3)
    assert sorted(contents(pipeline)) == ["paris", "rome"]


def test_sync_of_a_part(pipeline: Pipeline) -> None:
    assert counts(pipeline.sync([TEXTS[3]], where={"lang": "en"})) == (0, 0, 1, 2)
    assert sorted(contents(pipeline)) == ["beijing", "tea"]


def test_sync_of_nothing_is_taken_for_a_mistake(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="allow_empty"):
        pipeline.sync([])
    assert len(pipeline) == 4
    assert pipeline.sync([], allow_empty=True).deleted == 4
    assert pipeline.sync([]).deleted == 0


def test_a_failed_reading_deletes_nothing(pipeline: Pipeline) -> None:
    def broken() -> Iterator[dict[str, object]]:
        yield row("rome", "Rome.")
        raise OSError("the folder went away")

    with pytest.raises(OSError, match="went away"):
        pipeline.sync(broken())
    assert len(pipeline) == 4


def test_progress_is_told(pipeline: Pipeline) -> None:
    told: list[Changes] = []
    done = pipeline.add((row(f"n{i}", "x") for i in range(2500)), progress=told.append)
    assert [one.added for one in told] == [1000, 2000, 2500]
    assert done.added == 2500
    assert 0 < told[0].seconds < done.seconds


def test_empty_documents_are_counted_and_known(pipeline: Pipeline) -> None:
    assert pipeline.add([row("scan", "")]).empty == 1
    assert counts(pipeline.add([row("scan", "")])) == (0, 0, 1, 0)
    document = pipeline.get("scan")
    assert document is not None
    assert document.passages == []


def test_ids_are_a_list(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="expected a list"):
        pipeline.delete("paris")


# Opening


def test_reopened(tmp_path: Path, pipeline: Pipeline) -> None:
    before = pipeline.search("capital of France").to_dict()["hits"]
    pipeline.close()
    with Pipeline(tmp_path / "p", reranker=False) as again:
        assert again.search("capital of France").to_dict()["hits"] == before
        assert again.get("paris").fields == {"lang": "en"}  # type: ignore[union-attr]


def test_a_copy_of_the_folder_is_a_pipeline(tmp_path: Path, pipeline: Pipeline) -> None:
    pipeline.close()
    shutil.copytree(tmp_path / "p", tmp_path / "copy")
    with Pipeline(tmp_path / "copy", reranker=False) as copy:
        copy.delete(["paris"])
        assert len(copy) == 3
    with Pipeline(tmp_path / "p", reranker=False) as first:
        assert len(first) == 4


def test_one_writer_many_readers(tmp_path: Path, pipeline: Pipeline) -> None:
    with pytest.raises(FolderBusy, match=str(os.getpid())):
        Pipeline(tmp_path / "p")
    with Pipeline(tmp_path / "p", writable=False, reranker=False) as reader:
        assert documents(reader.search("capital of France")) == ["paris", "berlin"]
        assert not reader.refresh()
        pipeline.add([row("paris", "Paris lies on the Seine."), row("rome", "Rome is the capital of Italy.")])
        pipeline.delete(["berlin"])
        assert documents(reader.search("capital of France")) == ["paris", "berlin"]
        assert reader.search("capital of France")[0].text == "Paris is the capital of France."
        assert (len(reader), reader.info.documents) == (4, 4)
        assert reader.refresh()
        assert documents(reader.search("capital of France")) == ["rome"]
        assert documents(reader.search("Seine")) == ["paris"]
        assert not reader.refresh()
        for change in (lambda: reader.add([]), lambda: reader.delete(["a"]), reader.compact, lambda: reader.sync([])):
            with pytest.raises(InputError, match="writable=True"):
                change()


def test_closed(pipeline: Pipeline) -> None:
    pipeline.close()
    pipeline.close()
    with pytest.raises(EngineClosed):
        pipeline.search("capital")
    with pytest.raises(InputError, match="was closed"):
        pipeline.add([])


def test_exists(tmp_path: Path, pipeline: Pipeline) -> None:
    assert Pipeline.exists(pipeline.folder)
    assert not Pipeline.exists(tmp_path)


@pytest.mark.parametrize("writable", [False, True])
def test_no_pipeline(tmp_path: Path, writable: bool) -> None:
    with pytest.raises(InputError, match="holds no pipeline"):
        Pipeline(tmp_path, writable=writable)
    assert list(tmp_path.iterdir()) == []


def test_lost_documents_are_not_taken_for_none(tmp_path: Path, pipeline: Pipeline) -> None:
    pipeline.close()
    (tmp_path / "p" / "documents.sqlite3").unlink()
    for writable in (False, True):
        with pytest.raises(StoreDamaged, match="holds the documents"):
            Pipeline(tmp_path / "p", writable=writable)


@pytest.mark.parametrize("harm", ["missing", "cut", "ahead"])
def test_a_broken_store_is_made_again(tmp_path: Path, pipeline: Pipeline, harm: str) -> None:
    pipeline.close()
    store = tmp_path / "p" / "bm25"
    if harm == "missing":
        shutil.rmtree(store)
    elif harm == "cut":
        for file in store.glob("*.segment"):
            file.write_bytes(file.read_bytes()[:100])
    else:
        manifest = json.loads((store / "bm25.json").read_text())
        (store / "bm25.json").write_text(json.dumps({**manifest, "mark": 99}))
    if harm != "ahead":
        with pytest.raises(StoreDamaged, match="once for writing"):
            Pipeline(tmp_path / "p", writable=False)
    with pytest.warns(ResiftWarning, match="made again from the documents"):
        again = Pipeline(tmp_path / "p", reranker=False)
    with again:
        assert documents(again.search("capital of France")) == ["paris", "berlin"]
    with Pipeline(tmp_path / "p", reranker=False, writable=False) as reader:
        assert documents(reader.search("capital of France")) == ["paris", "berlin"]


def test_an_unfinished_creation_is_finished(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ngrm"):
        Pipeline.create(tmp_path / "p", analyzer="ngrm")
    assert not Pipeline.exists(tmp_path / "p")
    with Pipeline.create(tmp_path / "p", analyzer="words", reranker=False) as pipeline:
        pipeline.add(TEXTS)
    with pytest.raises(InputError, match="holds a pipeline already"):
        Pipeline.create(tmp_path / "p")
    (tmp_path / "p" / "pipeline.json").unlink()
    with pytest.raises(InputError, match="holds the documents of a pipeline"):
        Pipeline.create(tmp_path / "p")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stores": "bm25"}, r"write \['bm25'\]"),
        ({"stores": ["bm24"]}, "'bm24'"),
        ({"stores": []}, "there are no stores"),
        ({"stores": {"bm25": {"k7": 1}}}, "k7, expected some of analyzer, k1, b"),
        ({"own_stores": {"bm25": WordStore()}}, "which is taken"),
        ({"own_stores": {"rerank": WordStore()}}, "which is taken"),
        ({"template": "{a}", "columns": Columns()}, "one of them"),
        ({"fusion": "x"}, "fusion is 'x'"),
        ({"max_depth": 0}, "max_depth is 0"),
        ({"reranker": 3}, "reranker is int"),
    ],
)
def test_what_create_refuses(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Pipeline.create(tmp_path / "p", **options)
    assert not Pipeline.exists(tmp_path / "p")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "bm25").mkdir()
    with pytest.raises(InputError, match=r"is not empty \(bm25\)"):
        Pipeline.create(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Pipeline.create(tmp_path / "file")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bm25", "file"]


# Search


def test_every_language(pipeline: Pipeline) -> None:
    assert documents(pipeline.search("中国首都")) == ["beijing"]


@pytest.mark.parametrize("query", ["", " \n", "xyzzy"])
def test_nothing_is_found(pipeline: Pipeline, query: str) -> None:
    result = pipeline.search(query)
    assert (len(result), list(result), result.query) == (0, [], query)


def test_many_are_the_same_as_one_by_one(pipeline: Pipeline) -> None:
    queries = ["capital", "", "tea degrees", "中国", "capital"]
    many = pipeline.search_many(queries)
    assert [ids(one) for one in many] == [ids(pipeline.search(query)) for query in queries]
    assert [one.query for one in many] == queries
    assert pipeline.search_many([]) == []


def test_queries_are_texts(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="query 1 is int"):
        pipeline.search_many(["a", 3])  # type: ignore[list-item]
    with pytest.raises(InputError, match="expected a list"):
        pipeline.search_many("capital")


def test_awaited(pipeline: Pipeline) -> None:
    assert documents(asyncio.run(pipeline.asearch("tea", where={"price": {"lt": 5}}, top_k=1))) == ["tea"]


def test_a_shop(tmp_path: Path) -> None:
    goods = [
        {"sku": "k1", "name": "Kettle", "brand": {"name": "Acme"}, "price": 39.9, "stock": ["Berlin", "Wien"]},
        {"sku": "k2", "name": "Kettle de luxe", "brand": {"name": "Acme"}, "price": 199, "stock": ["Berlin"]},
        {"sku": "k3", "name": "电水壶", "brand": {"name": "美的"}, "price": 49, "stock": []},
    ]
    columns = Columns(id="sku", template=None)
    with Pipeline.create(tmp_path / "p", columns=columns, reranker=False) as pipeline:
        pipeline.add(goods)
        assert documents(pipeline.search("kettle", where={"price": {"lt": 100}})) == ["k1"]
        assert documents(pipeline.search("kettle", where={"stock": "Berlin", "brand.name": "Acme"})) == ["k1", "k2"]
        assert documents(pipeline.search("kettle", where={"stock": "Paris"})) == []
        assert documents(pipeline.search("水壶")) == ["k3"]


def test_a_template_makes_the_text(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "p", template="{name} by {brand.name}", reranker=False) as pipeline:
        pipeline.add([{"id": 1, "name": "Kettle", "brand": {"name": "Acme"}, "price": 39.9}])
    with Pipeline(tmp_path / "p", reranker=False) as pipeline:
        pipeline.add([{"id": 2, "name": "Lamp", "brand": {"name": "Acme"}, "price": 12}])
        assert [(hit.document, hit.text) for hit in pipeline.search("acme", where={"price": {"lt": 20}})] == [
            ("2", "Lamp by Acme")
        ]


def test_info(pipeline: Pipeline) -> None:
    pipeline.delete(["tea"])
    info = pipeline.info
    assert (info.documents, info.passages, info.waste, info.sequence) == (3, 3, 1, 2)
    assert [(store.name, store.passages, store.behind) for store in info.stores] == [("bm25", 3, 0)]
    assert info.bytes > (info.stores[0].bytes or 0) > 0
    assert (info.encoder, info.writable, info.chunking) == (None, True, Chunking())
    assert pipeline.compact() == 1
    assert pipeline.info.waste == 0
    assert documents(pipeline.search("capital")) == ["paris", "berlin"]


def test_a_document_of_files(tmp_path: Path) -> None:
    document = Document("a.md", "Manual", [Block("Press the red button. " * 40, ("Start",), page=2)], {"path": "a.md"})
    with Pipeline.create(tmp_path / "p", chunking=Chunking(size=200, overlap=0), reranker=LongestFirst()) as pipeline:
        pipeline.add([document])
        hit = pipeline.search("red button", context=1)[0]
        assert (hit.title, hit.passage.headings, hit.passage.page) == ("Manual", ("Start",), 2)
        assert hit.full_text == f"Manual\nStart\n{hit.text}"
        assert hit.context is not None
        assert hit.text in hit.context
        assert len(hit.context) > len(hit.text)


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
def test_with_the_embedded_model(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "p") as pipeline:
        pipeline.add(TEXTS)
        result = pipeline.search("Which city is the capital of Germany?", explain=1)
        assert documents(result)[0] == "berlin"
        assert [stage.name for stage in result.stages] == ["bm25", "read", "rerank", "explain"]
        explanation = result[0].explanation
        assert explanation is not None
        assert explanation.text == "Berlin is the capital of Germany."
        assert result[0].score == pytest.approx(explanation.score)
        assert result[1].explanation is None
        assert json.loads(json.dumps(result.to_dict()))["hits"][0]["explanation"]["score"] == explanation.score
    with Reranker(scores="sigmoid") as reranker, Pipeline(tmp_path / "p", reranker=reranker) as pipeline:
        assert 0.5 < pipeline.search("Which city is the capital of Germany?", threshold=0.5)[0].score < 1


def test_ids_that_are_no_texts(pipeline: Pipeline) -> None:
    pipeline.add([{"id": 7, "text": "tea"}, {"id": "x\0\ud800", "text": "tea"}])
    for wrong in (7, None):
        with pytest.raises(InputError, match="expected a text"):
            pipeline.delete([wrong])  # type: ignore[list-item]
        with pytest.raises(InputError, match="expected a text"):
            pipeline.get(wrong)  # type: ignore[arg-type]
    found = pipeline.get("x\0\ud800")
    assert found is not None and found.id == "x \ufffd"
    assert pipeline.delete(["x\0\ud800", "7", "nobody\ud800"]) == 2


def test_a_context_beyond_all_numbers(pipeline: Pipeline) -> None:
    pipeline.add(["green tea"])
    assert pipeline.search("tea", context=10**30)[0].context == "green tea"

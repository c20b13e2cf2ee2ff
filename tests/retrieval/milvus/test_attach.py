"""Collections that somebody else made and filled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient

from resift.errors import InputError
from resift.retrieval.milvus import MilvusIndex
from resift.retrieval.protocols import Retriever
from tests.retrieval.milvus.conftest import Grams

ROWS = [
    ("tea/green", "Green tea is picked in spring.", "en"),
    ("茶/绿", "绿茶在春天采摘。", "zh"),
    ('it\'s "odd" \\', "Black coffee keeps you awake.", "en"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "theirs.db"


@pytest.fixture
def client(folder: Path) -> Iterator[MilvusClient]:
    """The user's own client, by the name of a file, as the tutorials of Milvus have it."""
    from milvus_lite.server_manager import server_manager_instance

    opened = MilvusClient(str(folder))
    yield opened
    opened.close()
    server_manager_instance.release_server(str(folder))


def close(client: MilvusClient, folder: Path) -> None:
    from milvus_lite.server_manager import server_manager_instance

    client.close()
    server_manager_instance.release_server(str(folder))


def make(client: MilvusClient, encoder: Grams, metric: str = "COSINE", **more: Any) -> None:
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("content", DataType.VARCHAR, max_length=1000)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=encoder.dimension)
    index = client.prepare_index_params()
    index.add_index("embedding", index_type="HNSW", metric_type=metric)
    client.create_collection("articles", schema=schema, index_params=index)
    vectors = encoder.encode_documents([text for _, text, _ in ROWS])
    client.insert(
        "articles",
        [
            {"key": key, "content": text, "embedding": vector, "lang": lang}
            for (key, text, lang), vector in zip(ROWS, vectors, strict=True)
        ],
    )


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_a_collection_with_keys_of_text(client: MilvusClient, folder: Path, encoder: Grams, metric: str) -> None:
    make(client, encoder, metric)
    close(client, folder)
    with MilvusIndex.attach(folder, collection="articles", encoder=encoder, text_field="content") as articles:
        retriever: Retriever = articles
        for key, text, _ in ROWS:
            best, second, third = retriever.search(text, top_k=3)
            assert best.id == key
            assert best.score > second.score >= third.score
            assert best.score == pytest.approx(0 if metric == "L2" else 1, abs=1e-3)
        assert articles.texts([key for key, _, _ in reversed(ROWS)] + ["none"]) == [
            *(text for _, text, _ in reversed(ROWS)),
            None,
        ]
        assert [hit.id for hit in articles.search("tea", top_k=3, filter="lang == 'zh'")] == ["茶/绿"]
        assert [hit.id for hit in articles.search("tea", top_k=3, among=['it\'s "odd" \\', "none"])] == [ROWS[2][0]]
        assert len(articles) == 3
        assert not hasattr(articles, "add")


def test_a_collection_of_milvus_quick_start(client: MilvusClient, folder: Path, encoder: Grams) -> None:
    """Whose text and metadata are in fields that nobody declared."""
    client.create_collection("demo", dimension=encoder.dimension)
    vectors = encoder.encode_documents([text for _, text, _ in ROWS])
    client.insert(
        "demo",
        [{"id": at, "vector": vectors[at], "text": text, "subject": lang} for at, (_, text, lang) in enumerate(ROWS)],
    )
    close(client, folder)
    with MilvusIndex.attach(folder, collection="demo", encoder=encoder, text_field="text") as demo:
        assert demo.search(ROWS[1][1], top_k=1)[0].id == 1
        assert [hit.id for hit in demo.search("tea", top_k=3, filter="subject == 'zh'")] == [1]
        assert demo.texts([2, 0]) == [ROWS[2][1], ROWS[0][1]]
        assert demo.fetch([1], fields=["subject", "nothing"]) == [{"subject": "zh", "nothing": None}]


def test_milvus_own_full_text_search(client: MilvusClient, folder: Path, encoder: Grams) -> None:
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=2000, enable_analyzer=True)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function("bm25", FunctionType.BM25, input_field_names=["text"], output_field_names=["words"]),
    )
    index = client.prepare_index_params()
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection("words", schema=schema, index_params=index)
    client.insert("words", [{"id": 5, "text": "boil an egg"}, {"id": 6, "text": "a hen"}, {"id": 7, "text": "a pan"}])
    close(client, folder)
    with MilvusIndex.attach(folder, collection="words", text_field="text") as words:
        assert [hit.id for hit in words.search("egg", top_k=3)] == [5]
        assert [[hit.id for hit in hits] for hits in words.search_many(["a pan", " ", "hen"], top_k=1)] == [
            [7],
            [],
            [6],
        ]
        assert words.search("pan", top_k=3, among=np.array([5, 6])) == []
    with pytest.raises(InputError, match=r"'grams'.*leave it out"):
        MilvusIndex.attach(folder, collection="words", encoder=encoder)


def test_what_does_not_fit(client: MilvusClient, folder: Path, encoder: Grams) -> None:
    make(client, encoder)
    bare = MilvusClient.create_schema()
    bare.add_field("id", DataType.INT64, is_primary=True)
    bare.add_field("one", DataType.FLOAT_VECTOR, dim=8)
    bare.add_field("two", DataType.FLOAT_VECTOR, dim=64)
    client.create_collection("bare", schema=bare)
    index = client.prepare_index_params()
    index.add_index("one", index_type="FLAT", metric_type="IP")
    client.create_index("bare", index)
    close(client, folder)
    for arguments, words in [
        ({"collection": "nope"}, "'nope'.*'articles'"),
        ({"collection": "articles", "vector_field": "content"}, "'content'.*embedding"),
        ({"collection": "bare", "vector_field": "one", "encoder": Grams(8), "text_field": "body"}, "'body', only id"),
        ({"collection": "articles", "encoder": Grams(32)}, "32.*64"),
        ({"collection": "articles", "encoder": None}, "give the encoder"),
        ({"collection": "bare"}, "one, two"),
        ({"collection": "bare", "vector_field": "two"}, "no index"),
    ]:
        with pytest.raises(InputError, match=words):
            MilvusIndex.attach(folder, **{"encoder": encoder, **arguments})
    with pytest.raises(InputError, match=r"MilvusIndex\.attach"):
        MilvusIndex.open(folder, encoder=encoder, collection="articles")
    articles = MilvusIndex.attach(folder, collection="articles", encoder=encoder)
    with articles, pytest.raises(InputError, match="text_field="):
        articles.texts(["tea/green"])


def test_a_clients_collection_can_be_read_beside_it(encoder: Grams, tmp_path: Path) -> None:
    """What `MilvusIndex` writes is an ordinary collection."""
    with MilvusIndex.open(tmp_path / "ours.db", encoder=encoder) as index:
        index.add(np.array([3]), ["tea"])
        index.save(mark=1)
    theirs = MilvusClient(str(tmp_path / "ours.db"))
    theirs.load_collection("resift")
    assert theirs.get("resift", ids=[3], output_fields=["text"]) == [{"id": 3, "text": "tea"}]
    close(theirs, tmp_path / "ours.db")

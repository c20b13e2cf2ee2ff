"""By URL: Milvus' own protocol, spoken by Milvus Lite's server, in the place of a server of Milvus."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milvus_lite.adapter.grpc.server import start_server_in_thread

from resift.errors import InputError, Unavailable
from resift.retrieval.milvus import MilvusIndex
from tests.retrieval.milvus.conftest import Grams


class Server:
    def __init__(self, folder: Path) -> None:
        self._server, self._database, port = start_server_in_thread(str(folder))
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
        self._database.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "server")
    yield running
    running.stop()


def test_a_store_by_url(server: Server, encoder: Grams) -> None:
    with MilvusIndex.open(server.url, encoder=encoder, fields={"lang": str}) as index:
        index.add(np.arange(3), ["green tea", "绿茶", "coffee"], metadata=[{"lang": "en"}, {"lang": "zh"}, {}])
        assert index.search("绿茶", top_k=1)[0].id == 1
        index.delete(np.array([2]))
        index.save(mark=7)
        with MilvusIndex.open(server.url, encoder=encoder) as other:  # a server has many readers
            assert (other.mark, len(other)) == (7, 2)
            assert [hit.id for hit in other.search("tea", top_k=5, filter="lang == 'zh'")] == [1]
            assert other.texts(np.array([1])) == ["绿茶"]
        assert len(index) == 2  # which closes one by one


def test_a_new_collection_lets_the_server_choose_its_index(server: Server, encoder: Grams) -> None:
    MilvusIndex.open(server.url, encoder=encoder).close()
    MilvusIndex.open(server.url, encoder=encoder, index="AUTOINDEX").close()
    with pytest.raises(InputError, match=r"'FLAT'.*'AUTOINDEX'"):
        MilvusIndex.open(server.url, encoder=encoder, index="FLAT")


def test_a_database_of_the_server(server: Server, encoder: Grams) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(server.url, dedicated=True)
    client.create_database("shop")
    client.close()
    with MilvusIndex.open(server.url, encoder=encoder, database="shop") as index:
        index.add(np.array([1]), ["tea"])
        with MilvusIndex.open(server.url, encoder=encoder) as other:
            assert (len(index), len(other)) == (1, 0)


def test_a_server_that_is_gone(server: Server, encoder: Grams) -> None:
    index = MilvusIndex.open(server.url, encoder=encoder, timeout=0.5)
    server.stop()
    with pytest.raises(Unavailable, match=server.url):
        index.search("tea", top_k=1)
    with pytest.raises(Unavailable, match=server.url):
        index.add(np.array([1]), ["tea"])
    index.close()
    with pytest.raises(Unavailable, match=server.url):
        MilvusIndex.open(server.url, encoder=encoder, timeout=0.5)


def test_a_password_in_the_url_is_in_no_message(server: Server, encoder: Grams) -> None:
    address = server.url.replace("//", "//root:pass@word@")
    with MilvusIndex.open(address, encoder=encoder) as index:
        assert len(index) == 0
        with pytest.raises(InputError, match=server.url) as caught:
            MilvusIndex.open(address, encoder=encoder, metric="COSINE")
        assert "word" not in str(caught.value)
    server.stop()
    with pytest.raises(Unavailable, match=server.url) as gone:
        MilvusIndex.open(address, encoder=encoder, timeout=0.5)
    assert "word" not in str(gone.value)


def test_the_token_is_sent(server: Server, encoder: Grams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus Lite asks for none, so this sees only that pymilvus gets it."""
    import pymilvus

    real, seen = pymilvus.MilvusClient, []

    def client(address: str, **named: Any) -> Any:
        seen.append((address, named["token"]))
        return real(address, **named)

    monkeypatch.setattr(pymilvus, "MilvusClient", client)
    MilvusIndex.open(server.url, encoder=encoder, token="root:Milvus").close()
    assert seen == [(server.url, "root:Milvus")]


def test_many_threads_ask_one_index(server: Server) -> None:
    texts = [f"tea number {place}" for place in range(200)]
    with MilvusIndex.open(server.url, encoder=Grams(1024)) as index, ThreadPoolExecutor(8) as pool:
        index.add(np.arange(200), texts)
        found = list(pool.map(lambda text: index.search(text, top_k=1)[0].id, texts))
    assert found == list(range(200))

"""A client and the real server: limits, refusals and what the server says of itself."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resift import AsyncClient, Client, Reranker
from resift.errors import Rejected, TooLarge, UnknownModel
from tests.client.running import running

pytestmark = pytest.mark.timeout(120)
TEXTS = [f"document {i} of {i * 7 % 11}" for i in range(300)]


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    with running(checkpoint, max_documents=128) as url:
        yield url


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        yield reranker


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.mark.parametrize("scores", ["raw", "sigmoid"])
def test_a_call_over_the_limit_is_sent_in_parts(client: Client, reranker: Reranker, scores: str) -> None:
    served, local = client.with_options(scores=scores), reranker.with_options(scores=scores)
    assert served.rank("document 7", TEXTS, top_k=50) == local.rank("document 7", TEXTS, top_k=50)
    few = TEXTS[:200]  # beyond the limit, and too few to be asked for it before
    assert served.rank("document 7", few) == local.rank("document 7", few)
    assert served.rank_many(["a", "b"], [TEXTS, few]) == local.rank_many(["a", "b"], [TEXTS, few])


def test_strict_calls_are_not(client: Client) -> None:
    with pytest.raises(TooLarge, match="128"):
        client.with_options(strict=True).rank("q", TEXTS)


def test_a_bad_document_fails_alone_or_all(client: Client) -> None:
    documents = [{"title": "a"}, {"colour": "red"}, {"title": "b"}]
    view = client.with_options(template="{title}")
    ranking = view.rank("q", documents)
    assert {one.index for one in ranking[:2]} == {0, 2}
    assert ranking[2].document is documents[1]
    assert "colour" in str(ranking[2].error)
    with pytest.raises(Rejected, match="colour"):
        view.score([("q", one) for one in documents])
    with pytest.raises(Rejected, match="colour"):
        view.with_options(strict=True).rank("q", documents)


def test_a_document_that_is_cut_is_flagged_or_refused(client: Client) -> None:
    ranking = client.rank("q", ["long " * 300, "short"])
    assert {one.index: one.truncated for one in ranking} == {0: True, 1: False}
    with pytest.raises(Rejected):
        client.with_options(strict=True).rank("q", ["long " * 300])


def test_an_unknown_model_is_told_the_names(client: Client) -> None:
    with pytest.raises(UnknownModel, match="tiny") as caught:
        client.with_options(model="other").rank("q", ["a"])
    assert caught.value.status == 404


def test_what_the_server_says_of_itself(client: Client, reranker: Reranker) -> None:
    (model,) = client.models()
    assert (model.name, model.info.precision, model.info.max_length) == ("tiny", reranker.info.precision, 64)
    assert client.info().max_documents == 128
    assert client.ready() is True
    ranking = client.rank("q", ["a"])
    assert ranking.info == reranker.info
    assert ranking.tokens > 0
    assert ranking.timings["total"] >= 0


def test_threads_and_tasks_at_once(url: str, client: Client, reranker: Reranker) -> None:
    expected = [reranker.rank(f"query {i}", TEXTS[:30]) for i in range(24)]
    found: dict[int, object] = {}

    def ask(i: int) -> None:
        found[i] = client.rank(f"query {i}", TEXTS[:30])

    async def ask_all() -> list[object]:
        async with AsyncClient(url) as other:
            return await asyncio.gather(*(other.rank(f"query {i}", TEXTS[:30]) for i in range(24)))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    assert asyncio.run(ask_all()) == expected
    for thread in threads:
        thread.join(60)
    assert [found[i] for i in range(24)] == expected

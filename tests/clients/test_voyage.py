import asyncio

import pytest

from tests.clients.conftest import QUERY, TEXTS


def test_rerank(url: str, expected: list[tuple[int, float]]) -> None:
    import voyageai

    client = voyageai.Client(api_key="key", base_url=f"{url}/v1")
    answer = client.rerank(QUERY, TEXTS, model="rerank-2")
    assert [(item.index, item.relevance_score) for item in answer.results] == expected
    assert answer.results[0].document == TEXTS[expected[0][0]]
    assert answer.total_tokens > 0
    assert len(client.rerank(QUERY, TEXTS, model="rerank-2", top_k=2, truncation=False).results) == 2


def test_async(url: str, expected: list[tuple[int, float]]) -> None:
    import voyageai

    answer = asyncio.run(
        voyageai.AsyncClient(api_key="key", base_url=f"{url}/v1").rerank(QUERY, TEXTS, model="m", top_k=1)
    )
    assert [(item.index, item.relevance_score) for item in answer.results] == expected[:1]


def test_errors_have_voyage_s_classes(url: str) -> None:
    import voyageai

    client = voyageai.Client(api_key="key", base_url=f"{url}/v1")
    with pytest.raises(voyageai.error.InvalidRequestError, match="documents is empty"):
        client.rerank(QUERY, [], model="m")
    with pytest.raises(voyageai.error.MalformedRequestError, match="must not be cut"):
        client.rerank(QUERY, ["word " * 2000], model="m", truncation=False)

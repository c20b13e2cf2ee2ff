import asyncio

import pytest

from tests.clients.conftest import QUERY, TEXTS


def test_v1(url: str, expected: list[tuple[int, float]]) -> None:
    import cohere

    with_documents = cohere.Client("key", base_url=url).rerank(
        query=QUERY, documents=TEXTS, model="rerank-v3.5", top_n=2, return_documents=True
    )
    found = [(item.index, item.relevance_score) for item in with_documents.results]
    assert found == expected[:2]
    assert with_documents.results[0].document.text == TEXTS[expected[0][0]]
    assert with_documents.meta.billed_units.search_units == 1
    assert with_documents.meta.api_version.version == "1"


def test_v1_with_fields(url: str) -> None:
    import cohere

    answer = cohere.Client("key", base_url=url).rerank(
        query=QUERY,
        documents=[{"title": "Berlin", "body": TEXTS[0]}, {"title": "Paris", "body": TEXTS[1]}],
        rank_fields=["title", "body"],
        return_documents=True,
    )
    assert answer.results[0].index == 1
    assert answer.results[0].document.title == "Paris"


def test_v2(url: str, expected: list[tuple[int, float]]) -> None:
    import cohere

    answer = cohere.ClientV2("key", base_url=url).rerank(
        query=QUERY, documents=TEXTS, model="rerank-v3.5", max_tokens_per_doc=4096, priority=0
    )
    assert [(item.index, item.relevance_score) for item in answer.results] == expected
    assert answer.id
    assert answer.meta.api_version.version == "2"


def test_v2_async(url: str, expected: list[tuple[int, float]]) -> None:
    import cohere

    async def call():
        async with cohere.AsyncClientV2("key", base_url=url) as client:
            return await client.rerank(query=QUERY, documents=TEXTS, model="m", top_n=1)

    assert [(item.index, item.relevance_score) for item in asyncio.run(call()).results] == expected[:1]


def test_errors_have_cohere_s_classes(url: str) -> None:
    import cohere
    from cohere.errors import BadRequestError, UnprocessableEntityError

    client = cohere.ClientV2("key", base_url=url)
    with pytest.raises(BadRequestError) as caught:
        client.rerank(query=QUERY, documents=[], model="m")
    assert caught.value.body["message"] == "documents is empty, expected at least one"
    with pytest.raises(UnprocessableEntityError):
        client.rerank(query=7, documents=["a"], model="m")

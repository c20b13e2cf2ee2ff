import asyncio

import pytest

from tests.clients.conftest import QUERY, TEXTS

KEY = "a key"


def documents():
    from langchain_core.documents import Document

    return [Document(page_content=text, metadata={"place": i}) for i, text in enumerate(TEXTS)]


def found(ranked) -> list[tuple[int, float]]:
    return [(document.metadata["place"], document.metadata["relevance_score"]) for document in ranked]


def test_cohere(url: str, expected: list[tuple[int, float]]) -> None:
    from langchain_cohere import CohereRerank

    reranker = CohereRerank(model="rerank-v3.5", base_url=url, cohere_api_key=KEY, top_n=3)
    assert found(reranker.compress_documents(documents(), QUERY)) == expected[:3]


def test_cohere_with_fields(url: str) -> None:
    from langchain_cohere import CohereRerank

    reranker = CohereRerank(model="rerank-v3.5", base_url=url, cohere_api_key=KEY, top_n=None)
    items = [{"name": "Berlin", "text": TEXTS[0]}, {"name": "Paris", "text": TEXTS[1]}]
    assert reranker.rerank(items, QUERY, rank_fields=["text"])[0]["index"] == 1


def test_jina(url: str, expected: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_community.document_compressors import JinaRerank, jina_rerank

    monkeypatch.setattr(jina_rerank, "JINA_API_URL", f"{url}/v1/rerank")
    assert found(JinaRerank(jina_api_key=KEY, top_n=3).compress_documents(documents(), QUERY)) == expected[:3]
    assert found(JinaRerank(jina_api_key=KEY, top_n=None).compress_documents(documents(), QUERY)) == expected


def test_infinity(url: str, expected: list[tuple[int, float]]) -> None:
    from infinity_client import Client
    from langchain_community.document_compressors import InfinityRerank

    reranker = InfinityRerank(model="any")
    reranker.client = Client(base_url=url)
    assert found(reranker.compress_documents(documents(), QUERY)) == expected[:3]


def test_voyage(url: str, expected: list[tuple[int, float]]) -> None:
    from langchain_voyageai import VoyageAIRerank

    reranker = VoyageAIRerank(model="rerank-2", api_key=KEY, base_url=f"{url}/v1", top_k=2)
    assert found(reranker.compress_documents(documents(), QUERY)) == expected[:2]
    assert found(asyncio.run(reranker.acompress_documents(documents(), QUERY))) == expected[:2]

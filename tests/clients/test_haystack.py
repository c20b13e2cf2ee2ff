import asyncio

import pytest

from tests.clients.conftest import QUERY, TEXTS


def documents():
    from haystack import Document

    return [Document(content=text, meta={"place": i}) for i, text in enumerate(TEXTS)]


def found(answer) -> list[tuple[int, float]]:
    return [(document.meta["place"], document.score) for document in answer["documents"]]


def key():
    from haystack.utils import Secret

    return Secret.from_token("key")


def test_tei(url: str, expected: list[tuple[int, float]]) -> None:
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker, TruncationDirection

    ranker = HuggingFaceTEIRanker(url=url, top_k=3, token=key())
    assert found(ranker.run(query=QUERY, documents=documents())) == expected[:3]
    right = TruncationDirection.RIGHT
    assert found(ranker.run(query=QUERY, documents=documents(), truncation_direction=right)) == expected[:3]
    assert found(asyncio.run(ranker.run_async(query=QUERY, documents=documents(), top_k=2))) == expected[:2]


def test_tei_raw_scores(url: str, expected: list[tuple[int, float]]) -> None:
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

    raw = found(HuggingFaceTEIRanker(url=url, raw_scores=True, token=None).run(query=QUERY, documents=documents()))
    assert [place for place, _ in raw] == [place for place, _ in expected]
    assert raw[-1][1] < 0


def test_tei_error_names_its_type(url: str) -> None:
    from haystack import Document
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

    with pytest.raises(RuntimeError, match="this server takes 64"):
        HuggingFaceTEIRanker(url=url, token=None).run(
            query=QUERY, documents=[Document(content=str(i)) for i in range(65)]
        )


def test_jina(url: str, expected: list[tuple[int, float]]) -> None:
    from haystack_integrations.components.rankers.jina import JinaRanker

    ranker = JinaRanker(api_key=key(), base_url=f"{url}/v1/rerank", top_k=2)
    answer = ranker.run(query=QUERY, documents=documents())
    assert found(answer) == expected[:2]
    assert answer["meta"]["usage"]["total_tokens"] > 0
    assert found(asyncio.run(ranker.run_async(query=QUERY, documents=documents()))) == expected[:2]


def test_jina_error_is_its_detail(url: str) -> None:
    from haystack import Document
    from haystack_integrations.components.rankers.jina import JinaRanker

    ranker = JinaRanker(api_key=key(), base_url=f"{url}/v1/rerank")
    with pytest.raises(RuntimeError, match="this server takes 64"):
        ranker.run(query=QUERY, documents=[Document(content=str(i)) for i in range(65)])


def test_cohere(url: str, expected: list[tuple[int, float]]) -> None:
    from haystack_integrations.components.rankers.cohere import CohereRanker

    ranker = CohereRanker(api_key=key(), api_base_url=url, top_k=3)
    assert found(ranker.run(query=QUERY, documents=documents())) == expected[:3]
    assert found(asyncio.run(ranker.run_async(query=QUERY, documents=documents()))) == expected[:3]

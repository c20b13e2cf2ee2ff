from tests.clients.conftest import QUERY, TEXTS


def test_rerank(url: str, expected: list[tuple[int, float]]) -> None:
    from infinity_client import Client
    from infinity_client.api.default import rerank
    from infinity_client.models import RerankInput

    body = RerankInput(query=QUERY, documents=TEXTS, return_documents=True)
    answer = rerank.sync(client=Client(base_url=url), body=body)
    assert [(item.index, item.relevance_score) for item in answer.results] == expected
    assert answer.usage.total_tokens > 0


def test_models(url: str) -> None:
    from infinity_client import Client
    from infinity_client.api.default import models

    answer = models.sync(client=Client(base_url=url))
    assert [model.id for model in answer.data] == ["embedded"]

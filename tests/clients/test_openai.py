"""OpenAI's client, as applications use it for the routes that vLLM adds."""

import pytest

from tests.clients.conftest import QUERY, TEXTS


@pytest.fixture
def client(url: str):
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as client:
        yield client


def test_rerank(client, expected: list[tuple[int, float]]) -> None:
    answer = client.post("/rerank", body={"query": QUERY, "documents": TEXTS, "model": "m"}, cast_to=object)
    assert [(item["index"], item["relevance_score"]) for item in answer["results"]] == expected


def test_score(client, expected: list[tuple[int, float]]) -> None:
    answer = client.post("/score", body={"text_1": QUERY, "text_2": TEXTS, "model": "m"}, cast_to=object)
    assert [(item["index"], item["score"]) for item in answer["data"]] == sorted(expected)


def test_models(client) -> None:
    assert [model.id for model in client.models.list()] == ["embedded"]


def test_errors_have_openai_s_classes(client) -> None:
    import openai

    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/score", body={"text_1": [], "text_2": []}, cast_to=object)
    assert caught.value.body["message"] == "queries is empty, expected at least one"
    assert caught.value.type == "BadRequestError"
    with pytest.raises(openai.UnprocessableEntityError):
        client.post("/rerank", body={"documents": TEXTS}, cast_to=object)
    with pytest.raises(openai.NotFoundError):
        client.post("/embeddings", body={}, cast_to=object)

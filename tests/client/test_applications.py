"""The requests of applications that are no Python packages to install here, as their sources make them.

docs/guides/serving.md says which setting makes them come to these addresses.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from resift import Reranker
from tests.client.running import running

pytestmark = pytest.mark.timeout(120)
QUERY = "kettle"
TEXTS = [f"text {i} of a kettle" * (i % 3) for i in range(20)]


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    with running(checkpoint, any_model_name=True) as url:
        yield url


@pytest.fixture(scope="module")
def scores(checkpoint: Path) -> list[float]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64, scores="sigmoid") as reranker:
        return [float(score) for score in reranker.score([(QUERY, text) for text in TEXTS])]


def test_dify_openai_api_compatible(url: str, scores: list[float]) -> None:
    """The endpoint URL with /rerank behind it; results by index, the best `top_n` of them."""
    body = {"model": "my reranker", "query": QUERY, "documents": TEXTS, "top_n": 5}
    endpoint = f"{url}/v1".rstrip("/")
    answer = httpx.post(f"{endpoint}/rerank", json=body, headers={"Authorization": ""}).json()
    found = {item["index"]: item["relevance_score"] for item in answer["results"]}
    assert sorted(found.values(), reverse=True) == sorted(scores, reverse=True)[:5]
    assert all(scores[index] == score for index, score in found.items())


def test_dify_text_embedding_inference(url: str, scores: list[float]) -> None:
    """`/info` must have a reranker; then `/rerank` with texts."""
    assert "reranker" in httpx.get(f"{url}/info").json()["model_type"]
    body = {"query": QUERY, "texts": TEXTS}
    answer = httpx.post(f"{url}/rerank", json=body, headers={"Authorization": "Bearer key"}).json()
    assert [item["score"] for item in answer] == sorted(scores, reverse=True)


def test_open_webui(url: str, scores: list[float]) -> None:
    """The configured URL as it is; all results, put into the order of the documents."""
    body = {"model": "BAAI/bge-reranker-v2-m3", "query": QUERY, "documents": TEXTS, "top_n": len(TEXTS)}
    answer = httpx.post(f"{url}/v1/rerank", json=body, headers={"Authorization": "Bearer key"}).json()
    assert [item["relevance_score"] for item in sorted(answer["results"], key=lambda item: item["index"])] == scores


def test_ragflow_huggingface(url: str, scores: list[float]) -> None:
    """Eight texts at a time, an address without http://, no key."""
    address = url.removeprefix("http://")
    found = [0.0] * len(TEXTS)
    for start in range(0, len(TEXTS), 8):
        body = {"query": QUERY, "texts": TEXTS[start : start + 8], "raw_scores": False, "truncate": True}
        for item in httpx.post(f"http://{address}/rerank", json=body).json():
            found[item["index"] + start] = item["score"]
    assert found == scores


def test_milvus_tei(url: str, scores: list[float]) -> None:
    """A function's endpoint with /rerank behind it, and a direction that is capitalised."""
    body = {"query": QUERY, "texts": TEXTS, "truncate": True, "truncation_direction": "Right"}
    answer = httpx.post(f"{url}/rerank", json=body).json()
    assert {item["index"]: item["score"] for item in answer} == dict(enumerate(scores))

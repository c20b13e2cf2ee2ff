"""No body makes a defect: whatever is sent, the answer is one that the OpenAPI document knows."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.dialects.conftest import Client

PATHS = ("/rerank", "/v1/rerank", "/v2/rerank", "/score", "/v1/score", "/predict", "/similarity", "/v1/ranking",
         "/v1/reranking")  # fmt: skip
FIELDS = (
    "query", "queries", "text_1", "text_2", "data_1", "data_2", "items", "texts", "documents", "passages", "input",
    "inputs", "model", "top_n", "top_k", "return_documents", "return_text", "return_input", "raw_scores", "truncate",
    "truncation", "truncation_direction", "rank_fields", "max_tokens_per_doc", "truncate_prompt_tokens", "scores",
    "max_length", "windows", "template", "priority", "deadline_ms", "strict", "details", "use_activation",
)  # fmt: skip

texts = st.text(st.characters(), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3))
likely = st.lists(texts, max_size=4) | st.lists(st.lists(texts, min_size=2, max_size=2), max_size=3) | texts
bodies = st.dictionaries(st.sampled_from(FIELDS), values | likely, max_size=8)


@settings(max_examples=150)
@given(path=st.sampled_from(PATHS), body=bodies | values)
def test_any_json_is_answered(shared_client: Client, path: str, body: object) -> None:
    response = shared_client.post(path, content=json.dumps(body).encode())
    assert response.status_code in {200, 400, 404, 413, 422}, response.text
    json.loads(response.content, parse_constant=pytest.fail)


@settings(max_examples=150)
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=60))
def test_any_bytes_are_answered(shared_client: Client, path: str, body: bytes) -> None:
    assert shared_client.post(path, content=body).status_code in {400, 422}


@settings(max_examples=80)
@given(query=texts, documents=st.lists(scalars | st.dictionaries(texts, values, max_size=3), min_size=1, max_size=8))
def test_every_document_comes_back_once(shared_client: Client, query: str, documents: list[object]) -> None:
    body = json.dumps({"query": query, "documents": documents, "return_documents": False})
    response = shared_client.post("/v1/rerank", content=body.encode())
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert sorted(result["index"] for result in results) == list(range(len(documents)))
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)

"""`POST /explain` over a service whose scores can be checked by eye: the part of the query's words in the text."""

import asyncio
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from resift.reranker import Reranker
from resift.server.api import build_api
from resift.server.errors import Overloaded
from resift.server.service import open_service
from resift.server.settings import Limits, ModelSettings, Settings
from tests.server.dialects.fake import CARDS, FakeService

QUERY = "harbour archive key"
DOCUMENT = "We open at nine. The archive needs a key today. Dogs stay out. See the harbour map."


def post(body: dict[str, Any], service: FakeService | None = None, settings: Settings | None = None) -> Any:
    api = build_api(service or FakeService(), settings or Settings())
    with TestClient(api, raise_server_exceptions=False) as client:
        return client.post("/explain", json=body)


def test_the_sentence_with_the_words_carries_the_score() -> None:
    """The fake's logit is 8 times the part of the words, less 4."""
    answer = post({"query": QUERY, "document": DOCUMENT, "scores": "raw"})
    assert answer.status_code == 200
    found = answer.json()
    assert found["model"] == "small" and found["scores"] == "raw" and found["score"] == 4.0
    assert [s["contribution"] for s in found["sentences"]] == pytest.approx([0, 16 / 3, 0, 8 / 3], abs=1e-5)
    assert found["best"] == 1
    assert found["sentences"][1]["text"] == "The archive needs a key today."
    assert found["sentences"][1]["score_without"] == pytest.approx(8 / 3 - 4, abs=1e-5)
    assert "".join(DOCUMENT[s["start"] : s["end"]] for s in found["sentences"]) == DOCUMENT
    assert found["faithfulness"]["best_alone"] == pytest.approx(16 / 3 - 4, abs=1e-5)
    assert found["faithfulness"]["agreement"] == 1.0
    assert found["tokens"] > 0 and found["timings"]["total"] > 0 and not found["truncated"]
    assert answer.headers["x-compute-tokens"] == str(found["tokens"])


def test_sigmoids_are_the_default() -> None:
    found = post({"query": QUERY, "document": DOCUMENT}).json()
    assert found["scores"] == "sigmoid" and found["best"] == 1
    assert found["score"] == pytest.approx(1 / (1 + math.exp(-4)))


def test_they_are_of_logits_and_sigmoids_only() -> None:
    answer = post({"query": QUERY, "document": DOCUMENT, "scores": "calibrated"})
    assert answer.status_code == 422 and "raw scores or sigmoids" in answer.json()["message"]
    calibrated = FakeService(models=(replace(CARDS[0], info=replace(CARDS[0].info, scores="calibrated")),))
    assert post({"query": QUERY, "document": DOCUMENT}, calibrated).json()["scores"] == "sigmoid"


def test_all_variants_are_scored_in_one_request() -> None:
    service = FakeService()
    post({"query": QUERY, "document": DOCUMENT, "priority": "low", "max_length": 64}, service)
    assert [len(work.pairs) for work in service.works] == [1, 6, 5]
    assert {work.scores for work in service.works} == {"raw"}
    assert {(work.priority, work.max_length) for work in service.works} == {("low", 64)}


def test_a_low_limit_of_documents_takes_more_requests() -> None:
    few = Settings(limits=Limits(max_documents=4))
    assert post({"query": QUERY, "document": DOCUMENT}, settings=few).json()["best"] == 1


def test_what_is_not_read_is_marked() -> None:
    found = post({"query": QUERY, "document": DOCUMENT, "max_length": 10}).json()
    assert found["truncated"]
    assert [s["read"] for s in found["sentences"]] == [True, True, False, False]
    assert [s["contribution"] for s in found["sentences"][2:]] == [0, 0]


@pytest.mark.parametrize(
    ("template", "own", "text"),
    [
        (None, None, "The key\nIt is here."),
        ("{text} {title}", None, "It is here. The key"),
        (None, "{title}!", "The key!"),
    ],
)
def test_a_document_with_fields_is_explained_as_its_text(template: str | None, own: str | None, text: str) -> None:
    settings = Settings(models=(ModelSettings(name="small", template=own),))
    body: dict[str, Any] = {"query": QUERY, "document": {"title": "The key", "text": "It is here."}}
    assert post(body | ({"template": template} if template else {}), settings=settings).json()["text"] == text


def test_an_empty_document() -> None:
    found = post({"query": QUERY, "document": ""}).json()
    assert found["sentences"] == [] and found["best"] is None and found["faithfulness"] is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": QUERY}, 422, "document is missing"),
        ({"document": "a"}, 422, "query is missing"),
        ({"query": QUERY, "document": 3}, 422, "document is 3: expected a text or an object of fields"),
        ({"query": QUERY, "document": "a", "model": "none"}, 404, "small"),
        ({"query": QUERY, "document": "a", "scores": "percent"}, 422, "scores"),
        ({"query": QUERY, "document": {"title": "a"}, "template": "{nothing}"}, 422, "nothing"),
        ({"query": QUERY, "document": "a", "template": "{"}, 422, "template"),
    ],
)
def test_errors_name_the_field(body: dict[str, Any], status: int, words: str) -> None:
    answer = post(body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"] and "Traceback" not in answer.text


def test_errors_of_the_service_are_passed_on() -> None:
    answer = post({"query": QUERY, "document": "a"}, FakeService(raises=Overloaded("full", retry_after=3)))
    assert answer.status_code == 429 and answer.headers["retry-after"] == "3"


def test_a_deadline_that_comes_first_is_an_error() -> None:
    answer = post({"query": QUERY, "document": DOCUMENT, "deadline_ms": 5}, FakeService(partial=True))
    assert answer.status_code == 504 and "deadline_ms" in answer.json()["message"]


def test_it_is_documented() -> None:
    with TestClient(build_api(FakeService(), Settings())) as client:
        document = client.get("/openapi.json").json()
    assert "/explain" in document["paths"] and "ExplainAnswer" in json.dumps(document)


def test_the_server_explains_as_the_library_does(checkpoint: Path) -> None:
    """Over the real service and a real engine process, for a document that fits and one that is cut."""
    documents = [DOCUMENT, DOCUMENT * 40]
    settings = Settings(models=(ModelSettings(name="tiny", model=str(checkpoint)),))

    async def ask() -> list[dict[str, Any]]:
        async with open_service(settings) as service:
            transport = httpx.ASGITransport(build_api(service, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://resift") as client:
                bodies = [{"query": QUERY, "document": document, "scores": "raw"} for document in documents]
                return [(await client.post("/explain", json=body, timeout=60)).json() for body in bodies]

    answers = asyncio.run(ask())
    with Reranker(checkpoint, truncation="longest_first") as reranker:
        for document, answer in zip(documents, answers, strict=True):
            expected = asdict(reranker.explain(QUERY, document))
            assert {name: answer[name] for name in expected} == json.loads(json.dumps(expected))
    assert [answer["truncated"] for answer in answers] == [False, True]

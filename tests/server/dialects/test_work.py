"""What a body and its headers ask of the service."""

from dataclasses import replace

import pytest

from resift.server.api import build_api
from resift.server.records import CalibrationCard, Outcome, Work
from resift.server.settings import Settings
from resift.types import Windows
from tests.server.dialects.conftest import Client
from tests.server.dialects.fake import CARDS, FakeService

PAIR = {"query": "q", "documents": ["d"]}


@pytest.mark.parametrize("value", [True, "true", "True", 1, "1", " yes ", "on"])
def test_booleans_are_lenient(client: Client, service: FakeService, value: object) -> None:
    assert client.post("/rerank", {"query": "q", "texts": ["d"], "raw_scores": value}).status_code == 200
    assert service.works[-1].scores == "raw"


@pytest.mark.parametrize("value", [False, "false", "False", 0, "0", "no", None])
def test_booleans_are_lenient_about_no(client: Client, service: FakeService, value: object) -> None:
    assert client.post("/rerank", {"query": "q", "texts": ["d"], "raw_scores": value}).status_code == 200
    assert service.works[-1].scores == "sigmoid"


@pytest.mark.parametrize(
    ("path", "body", "field", "value"),
    [
        ("/v1/rerank", {"scores": "raw"}, "scores", "raw"),
        ("/v1/rerank", {"scores": "calibrated"}, "scores", "calibrated"),
        ("/v1/ranking", {"passages": ["d"], "scores": "calibrated"}, "scores", "calibrated"),
        ("/v1/rerank", {"group": "de"}, "group", "de"),
        ("/v1/rerank", {"truncation": "flag"}, "truncation", "flag"),
        ("/v1/rerank", {"truncation": False}, "fail_if_cut", True),
        ("/v1/rerank", {"truncation": False, "top_n": 1}, "fail_if_cut", True),
        ("/v1/rerank", {"truncation": "false"}, "fail_if_cut", True),
        ("/v1/rerank", {"max_length": 64}, "max_length", 64),
        ("/v1/rerank", {"truncate_prompt_tokens": 64}, "max_length", 64),
        ("/v1/rerank", {"truncate_prompt_tokens": -1}, "max_length", 512),
        ("/v1/rerank", {"truncate_prompt_tokens": 100000}, "max_length", 512),
        ("/v1/rerank", {"max_length": 32, "truncate_prompt_tokens": 64}, "max_length", 32),
        ("/v2/rerank", {"max_tokens_per_doc": 4096}, "document_tokens", 4096),
        ("/rerank", {"max_tokens_per_query": 8}, "query_tokens", 8),
        ("/rerank", {"windows": {"aggregate": "mean"}}, "windows", Windows(aggregate="mean")),
        ("/rerank", {"windows": {}}, "windows", Windows()),
        ("/rerank", {"template": "{title}"}, "template", "{title}"),
        ("/rerank", {"rank_fields": ["title"]}, "template", "{title}"),
        ("/rerank", {"rank_fields": ["title", "text"]}, "template", "title: {title}\ntext: {text}"),
        ("/rerank", {"rank_fields": ["title"], "template": "{text}"}, "template", "{text}"),
        ("/rerank", {"rank_fields": []}, "template", None),
        ("/rerank", {"priority": "high"}, "priority", "high"),
        ("/v2/rerank", {"priority": 0}, "priority", "normal"),
        ("/v2/rerank", {"priority": 7}, "priority", "low"),
        ("/rerank", {"priority": -1}, "priority", "high"),
        ("/rerank", {"deadline_ms": 250}, "deadline", 0.25),
        ("/rerank", {"deadline_ms": "250"}, "deadline", 0.25),
        ("/rerank", {"strict": "true"}, "strict", True),
        ("/rerank", {"model": "Large"}, "model", "large"),
        ("/rerank", {"model": "  "}, "model", "small"),
    ],
)
def test_fields_reach_the_service(
    client: Client, service: FakeService, path: str, body: dict[str, object], field: str, value: object
) -> None:
    response = client.post(path, PAIR | body)
    assert response.status_code == 200, response.text
    assert getattr(service.works[-1], field) == value


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rerank", {"query": "q", "texts": ["d"]}),
        ("/predict", {"inputs": ["q", "d"]}),
        ("/similarity", {"inputs": {"source_sentence": "q", "sentences": ["d"]}}),
        ("/v1/ranking", {"query": "q", "passages": ["d"]}),
        ("/v1/reranking", {"query": "q", "input": ["d"]}),
        ("/v1/score", {"text_1": "q", "text_2": "d"}),
        ("/v1/rerank", PAIR | {"top_k": 1}),
    ],
)
def test_every_dialect_has_resift_s_own_fields(
    client: Client, service: FakeService, path: str, body: dict[str, object]
) -> None:
    own = {"scores": "raw", "max_length": 33, "priority": "low", "deadline_ms": 10, "strict": True, "model": "large"}
    assert client.post(path, body | own | {"windows": {"size": 9}, "template": "{a}"}).status_code == 200
    work = service.works[-1]
    assert (work.scores, work.max_length, work.priority, work.deadline) == ("raw", 33, "low", 0.01)
    assert (work.strict, work.model, work.windows, work.template) == (True, "large", Windows(size=9), "{a}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/rerank", PAIR | {"top_n": -1}),
        ("/v1/rerank", PAIR | {"top_k": -1}),
        ("/v1/reranking", {"query": "q", "input": ["d"], "top_k": -1}),
    ],
)
def test_negative_limits_are_refused(client: Client, path: str, body: dict[str, object]) -> None:
    response = client.post(path, body)
    assert response.status_code == 422
    assert "is -1" in response.json()["message"]


def test_headers_stand_in_for_fields(client: Client, service: FakeService) -> None:
    headers = {"X-Resift-Priority": "Low", "X-Resift-Deadline-Ms": " 1500 "}
    client.post("/v2/rerank", PAIR, headers=headers)
    assert (service.works[-1].priority, service.works[-1].deadline) == ("low", 1.5)
    client.post("/v2/rerank", PAIR | {"priority": "high", "deadline_ms": 20}, headers=headers)
    assert (service.works[-1].priority, service.works[-1].deadline) == ("high", 0.02)


@pytest.mark.parametrize(
    "headers",
    [{"X-Resift-Priority": "urgent"}, {"X-Resift-Deadline-Ms": "0"}, {"X-Resift-Deadline-Ms": "1e3"},
     {"X-Resift-Deadline-Ms": "-5"}],
)  # fmt: skip
def test_wrong_headers_are_named(client: Client, headers: dict[str, str]) -> None:
    response = client.post("/v2/rerank", PAIR, headers=headers)
    assert response.status_code == 422
    assert next(iter(headers)) in response.json()["message"]


def test_pairs_reach_the_service_as_they_came(client: Client, service: FakeService) -> None:
    documents = ["d", {"title": "t", "n": 1}, 7, None, ["x"]]
    assert client.post("/v1/rerank", {"query": "q", "documents": documents}).status_code == 200
    assert list(service.works[-1].pairs) == [("q", document) for document in documents]


def test_scores_broadcast_one_query(client: Client, service: FakeService) -> None:
    client.post("/score", {"queries": ["q"], "documents": ["a", {"text": "b"}]})
    assert list(service.works[-1].pairs) == [("q", "a"), ("q", {"text": "b"})]
    client.post("/score", {"queries": ["p", "q"], "documents": ["a", "b"]})
    assert list(service.works[-1].pairs) == [("p", "a"), ("q", "b")]


def test_any_model_name_is_an_option() -> None:
    service = FakeService()
    client = Client(service, Settings(any_model_name=True))
    assert client.post("/v2/rerank", PAIR | {"model": "rerank-v3.5"}).json()["model"] == "small"
    assert client.post("/v2/rerank", PAIR | {"model": "LARGE"}).json()["model"] == "large"
    client.close()


def test_building_the_application_asks_nothing_of_the_service() -> None:
    service = FakeService()
    build_api(service, Settings())
    assert service.works == []


CALIBRATED = replace(CARDS[0], info=replace(CARDS[0].info, scores="calibrated", calibration="platt:1a2b"))
ZERO_TO_ONE = {
    "/rerank": {"query": "q", "texts": ["d"]},
    "/v1/rerank": {"query": "q", "documents": ["d"]},
    "/v2/rerank": {"query": "q", "documents": ["d"], "top_k": 1},
    "/score": {"queries": "q", "documents": ["d"], "use_activation": True},
    "/predict": {"inputs": ["q", "d"], "raw_scores": False},
    "/similarity": {"inputs": {"source_sentence": "q", "sentences": ["d"]}},
    "/v1/reranking": {"query": "q", "input": ["d"]},
}
LOGITS = {
    "/rerank": {"query": "q", "texts": ["d"], "raw_scores": True},
    "/score": {"queries": "q", "documents": ["d"], "use_activation": False},
    "/predict": {"inputs": ["q", "d"], "raw_scores": True},
    "/v1/ranking": {"query": "q", "passages": ["d"]},
}


@pytest.mark.parametrize("path", [*ZERO_TO_ONE, *(f"{path} raw" for path in LOGITS)])
def test_a_setting_calibrates_what_is_in_0_to_1(client: Client, service: FakeService, path: str) -> None:
    """And nothing else: who asked for logits, or for sigmoids by name, gets these."""
    service.models = (CALIBRATED,)
    route, _, raw = path.partition(" ")
    body = (LOGITS if raw else ZERO_TO_ONE)[route]
    assert client.post(route, body).status_code == 200
    assert service.works[-1].scores == ("raw" if raw else "calibrated")
    assert client.post(route, body | {"scores": "sigmoid"}).status_code == 200
    assert service.works[-1].scores == "sigmoid"


def test_details_of_calibrated_scores_have_the_raw_one(client: Client, service: FakeService) -> None:
    async def run(work: Work) -> Outcome:
        found = await FakeService().run(work)
        return replace(found, scored=[replace(one, raw=1.5) for one in found.scored])

    service.run = run  # type: ignore[method-assign]
    for details in (True, False):
        answer = client.post("/v1/rerank", {**PAIR, "scores": "calibrated", "details": details}).json()
        assert answer["results"][0].get("raw") == (1.5 if details else None)


def test_the_listing_names_the_calibration(client: Client, service: FakeService) -> None:
    assert [one["calibration"] for one in client.get("/v1/models").json()["data"]] == [None, None]
    service.models = (replace(CALIBRATED, calibration=CalibrationCard("platt:1a2b", ("de", "zh"))),)
    (item,) = client.get("/models").json()["data"]
    assert item["calibration"] == {"name": "platt:1a2b", "groups": ["de", "zh"]}
    assert (item["info"]["scores"], item["info"]["calibration"]) == ("calibrated", "platt:1a2b")

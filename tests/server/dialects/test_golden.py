"""Each dialect's requests and answers, whole, as files that can be read beside its documentation."""

from typing import Any

import pytest

from tests.server.dialects.conftest import Client
from tests.server.dialects.golden_cases import load, normalised

CASES = load()


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['case']}" for name, case in CASES])
def test_answer_is_the_golden_one(client: Client, name: str, case: dict[str, Any]) -> None:
    response = client.post(case["path"], case["request"])
    assert (response.status_code, normalised(response.json())) == (case["status"], case["response"])
    assert response.headers["content-type"] == "application/json"


def test_there_are_cases_of_every_dialect() -> None:
    assert {name for name, _ in CASES} == {
        "cohere", "jina", "mixedbread", "nvidia", "resift", "tei", "vllm", "voyage",
    }  # fmt: skip

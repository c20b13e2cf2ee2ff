"""The OpenAPI document tells the truth, and its page needs nothing from elsewhere."""

import re
from typing import Any

import pytest

from resift.server.api import ENDPOINTS
from tests.server.dialects.conftest import Client

EXAMPLES = [
    (path, title, example)
    for endpoint in ENDPOINTS
    for path in endpoint.paths
    for title, example in endpoint.examples.items()
]


def test_the_document_has_every_path(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert {path for endpoint in ENDPOINTS for path in endpoint.paths} == set(document["paths"])


@pytest.mark.parametrize(("path", "title", "example"), EXAMPLES, ids=[f"{p} {t}" for p, t, _ in EXAMPLES])
def test_its_examples_work(client: Client, path: str, title: str, example: dict[str, Any]) -> None:
    assert client.post(path, example).status_code == 200


def test_every_scoring_route_has_examples_and_errors(client: Client) -> None:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if method == "post":
                assert operation["requestBody"]["content"]["application/json"]["examples"], path
                assert {"200", "400", "429", "503"} <= set(operation["responses"]), path


def test_the_page_names_every_path_and_loads_nothing(client: Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            assert path in response.text
    assert "<script" not in response.text
    assert re.findall(r'(?:src|href)="([^"]*)"', response.text) == ["openapi.json"]
    assert not re.search(r"url\(|@import", response.text)

"""Requests made from our OpenAPI document: no answer that it does not describe, and none that says 5xx.

Wrong bodies are sent too, but that they are refused is not checked: dialects are lenient, as their originals are.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate
from schemathesis.specs.openapi import checks

from resift.server.api import build_api
from resift.server.settings import Limits, Settings
from tests.server.dialects.fake import FakeService

API = build_api(FakeService(), Settings(limits=Limits(max_documents=8), any_model_name=True))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", API)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@SCHEMA.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_those_of_the_document(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)


def test_the_document_is_valid() -> None:
    validate(API.openapi())


def test_answers_that_miss_the_document_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail."""
    case = SCHEMA["/v1/models"]["GET"].Case()
    monkeypatch.setattr(FakeService, "models", property(lambda _: 1 / 0), raising=False)
    with pytest.raises(Exception, match=r"division|Server error|5\d\d"):
        case.call_and_validate(checks=CHECKS)

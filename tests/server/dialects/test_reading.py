"""Bodies that are no JSON, or hardly."""

import pytest

from resift.server.dialects.reading import parse_json
from resift.server.errors import BadRequest
from tests.server.dialects.conftest import Client


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not JSON"),
        (b'{"query": NaN}', "not JSON"),
        (b'{"query": Infinity}', "not JSON"),
        (b"{'query': 1}", "not JSON"),
        (b'{"query": "caf\xe9"}', "byte 14 (0xe9) is not UTF-8"),
        (b"[" * 5000, "not JSON"),
        (b'{"a":' * 5000, "not JSON"),
        (b"[" * 100_000 + rb'"\ud800"', "not JSON"),
        (rb'["\ud800", NaN]', "NaN is no JSON number"),
        (rb'["\ud800", 1e999]', "too large"),
        (rb'["\ud800", ' + b"9" * 5000 + b"]", "too large"),
        (b"1e999", "not JSON"),
    ],
    ids=lambda value: value[:12],
)
def test_what_is_not_json_is_refused_with_its_place(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_json(body)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (rb'["\ud83d", "x"]', ["\ufffd", "x"]),
        (rb'{"\udc00": {"n": 12345678901234567890}}', {"\ufffd": {"n": 12345678901234567890.0}}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b"123456789012345678901234567890", 1.2345678901234568e29),
    ],
)
def test_what_is_hardly_json_is_read(body: bytes, value: object) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/score", "/predict", "/v1/ranking", "/v1/reranking"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"1", b"\xff\xfe", b"[" * 3000])
def test_every_route_refuses_it_as_a_bad_request(client: Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_half_a_character_fails_no_other_document(client: Client) -> None:
    """Clients that write ASCII send a lone surrogate as it is; the document is scored with U+FFFD in its place."""
    response = client.post("/v1/rerank", content=rb'{"query": "a", "documents": ["a \ud83d", "b"]}')
    assert response.json()["results"][0]["document"] == {"text": "a \ufffd"}


def test_any_content_type_is_read(client: Client) -> None:
    """`curl -d` without a header claims to send a form."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/rerank", content=b'{"query":"a","texts":["a"]}', headers=headers).status_code == 200


def test_messages_name_fields_and_not_whole_texts(client: Client) -> None:
    body = {"query": ["x" * 5000], "documents": "y" * 5000, "top_n": 1.5, "strict": "perhaps", "max_length": 0}
    message = client.post("/v1/rerank", body).json()["message"]
    assert len(message) < 500
    assert message.startswith("max_length is 0: input should be greater than or equal to 1; ")
    assert message.endswith("; and 2 more")


@pytest.mark.parametrize(("path", "field"), [("/v1/rerank", "documents"), ("/v1/reranking", "input")])
def test_many_wrong_names_are_one_error(client: Client, path: str, field: str) -> None:
    """pydantic would describe each of them: of a body of 32 MB, in gigabytes."""
    response = client.post(path, {"query": "a", field: ["b"], "rank_fields": [1] * 5000})
    assert response.status_code == 422
    assert "at most 100 names" in response.json()["message"] and "more" not in response.json()["message"]

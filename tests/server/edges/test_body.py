"""Bodies over sockets: packed, too large, too deep, not text."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.server.edges import answers
from resift.server.edges.body import check_shape
from resift.server.errors import BadRequest, TooLarge
from resift.server.settings import Limits, Settings
from tests.server.edges.harness import PATIENCE, edge

pytestmark = pytest.mark.timeout(180)
TEXT = '{"query": "wie atmen Pflanzen", "documents": ["空气"]}'.encode()


def pack(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", pack(TEXT)),
        ("GZIP", pack(TEXT)),
        ("x-gzip", pack(TEXT[:10]) + pack(TEXT[10:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("identity", TEXT),
        ("", TEXT),
    ],
    ids=["gzip", "upper case", "two members", "zlib", "raw", "identity", "none"],
)
def test_packed_bodies_are_unpacked(encoding: str, packed: bytes) -> None:
    with edge() as server:
        answer = server.post("/echo", packed, headers={"Content-Encoding": encoding})
        assert answer.body == TEXT
        headers = dict(server.app.scopes[0]["headers"])
        assert headers[b"content-length"] == str(len(TEXT)).encode()
        assert b"content-encoding" not in headers


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_unknown_encodings_get_415(encoding: str) -> None:
    with edge() as server:
        answer = server.post("/v1/rerank", TEXT, headers={"Content-Encoding": encoding})
        assert answer.status == 415
        assert "gzip" in answer.json()["message"]


@pytest.mark.parametrize(
    "packed",
    [b"no gzip at all", pack(TEXT)[:-9], pack(TEXT) + b"rest", b""],
    ids=["text", "cut", "with a rest", "empty"],
)
def test_broken_gzip_gets_400(packed: bytes) -> None:
    with edge() as server:
        assert server.post("/rerank", packed, headers={"Content-Encoding": "gzip"}).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_at_the_limit(encoding: str) -> None:
    bomb = {"gzip": pack, "deflate": raw_deflate}[encoding](bytes(30 * 1024 * 1024))
    with edge(Settings(limits=Limits(max_body_bytes=1_000_000))) as server:
        answer = server.post("/v1/rerank", bomb, headers={"Content-Encoding": encoding})
        assert answer.status == 413
        assert "1000000" in answer.json()["message"]


@pytest.mark.parametrize("said", [True, False])
def test_large_bodies_get_413_that_the_client_can_read(said: bool) -> None:
    """Also one that sends all of its body before it reads, and asks for the connection to be closed."""
    body = b"x" * 5_000_000
    with edge(Settings(limits=Limits(max_body_bytes=1000))) as server, server.connect() as client:
        if said:
            client.post("/v2/rerank", body, headers={"Connection": "close"})
        else:
            client.send(b"POST /v2/rerank HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        answer = client.read()
        assert answer.status == 413
        assert "max_body_bytes" in answer.json()["message"]


def test_after_a_refusal_the_connection_goes_on() -> None:
    with edge(Settings(limits=Limits(max_body_bytes=1000))) as server, server.connect() as client:
        assert client.post("/echo", b"x" * 100_000).read().status == 413
        assert client.post("/echo", b"1").read().json() == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x" * 1001, {}),
        (b"[" * 500, {}),
        (b"{}", {"Content-Encoding": "br"}),
        (pack(b"{}")[:-1], {"Content-Encoding": "gzip"}),
        (b"", {"Content-Encoding": "gzip"}),
    ],
    ids=["large", "deep", "unknown", "cut", "empty"],
)
def test_a_refusal_waits_for_nothing_that_was_sent(
    body: bytes, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "DRAIN_SECONDS", 10 * PATIENCE)
    with edge(Settings(limits=Limits(max_body_bytes=1000))) as server, server.connect() as client:
        assert client.post("/v1/rerank", body, headers=headers).read().status >= 400
        assert client.post("/echo", b"1").read().json() == 1


def test_all_bodies_together_have_a_limit() -> None:
    settings = Settings(limits=Limits(max_body_bytes=1000, max_bodies_bytes=1500))
    with edge(settings) as server, server.connect() as waiting, server.connect() as other:
        waiting.post("/wait", b"x" * 1000)
        assert server.app.entered.acquire(timeout=PATIENCE)
        refused = other.post("/v1/rerank", b"x" * 600).read()
        assert refused.status == 429
        assert "max_bodies_bytes" in refused.json()["message"]
        assert other.post("/echo", b"1").read().status == 200
        server.call(server.app.release.set)
        assert waiting.read().status == 200
        assert other.post("/echo", b"x" * 600).read().status == 200
    with edge(Settings(limits=Limits(max_body_bytes=1000, max_bodies_bytes=10))) as server:
        assert server.post("/echo", b"x" * 600).status == 200


def test_deep_json_gets_400() -> None:
    with edge() as server:
        answer = server.post("/v1/rerank", b"[" * 100_000 + b"]" * 100_000)
        assert answer.status == 400
        assert "max_json_depth" in answer.json()["message"]
        assert server.app.scopes == []


@given(st.recursive(st.none() | st.text(alphabet='[]{}"\\a'), st.lists, max_leaves=20))
def test_depth_is_that_of_the_lists(value: object) -> None:
    def depth(value: object) -> int:
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    body = json.dumps(value).encode()
    check_shape(body, depth=depth(value), values=1000)
    if depth(value) > 1:
        with pytest.raises(BadRequest):
            check_shape(body, depth=depth(value) - 1, values=1000)


@given(
    st.recursive(st.none() | st.text(alphabet='[]{},"\\a'), lambda v: st.lists(v) | st.dictionaries(st.text(',"\\'), v))
)
def test_values_are_counted_by_their_commas_and_brackets(value: object) -> None:
    def count(value: object) -> int:
        parts = list(value.values()) if isinstance(value, dict) else value
        return 1 + max(len(parts) - 1, 0) + sum(map(count, parts)) if isinstance(parts, list) else 0

    body = json.dumps(value).encode()
    check_shape(body, depth=1000, values=count(value))
    if count(value) > 0:
        with pytest.raises(TooLarge):
            check_shape(body, depth=1000, values=count(value) - 1)


def test_many_values_get_413() -> None:
    with edge(Settings(limits=Limits(max_json_values=1000))) as server:
        answer = server.post("/v1/rerank", b'{"query": "a", "documents": [' + b"{}," * 1000 + b"{}]}")
        assert answer.status == 413
        assert "max_json_values" in answer.json()["message"]
        assert server.app.scopes == []
        text = b'{"query": "' + b"," * 2000 + b'"}'
        assert server.post("/echo", text).body == text


def test_gzip_of_very_many_parts_gets_400() -> None:
    with edge() as server:
        parts = pack(b"{") + pack(b"") * 2000 + pack(b"}")
        assert server.post("/v1/rerank", parts, headers={"Content-Encoding": "gzip"}).status == 400
        few = pack(b"{") + pack(b"") * 500 + pack(b"}")
        assert server.post("/echo", few, headers={"Content-Encoding": "gzip"}).body == b"{}"


@pytest.mark.parametrize(
    "body", [b'"' + b'\\"' * 2_000_000 + b"[" * 100, b'"\\' * 500_000 + b"[" * 100], ids=["quotes", "strokes"]
)
def test_depth_of_an_endless_text_takes_no_time(body: bytes) -> None:
    check_shape(body, depth=64, values=1000)  # a search that begins again at each mark would outlive the test


def test_brackets_in_texts_are_no_depth() -> None:
    body = ('{"query": "' + "[" * 1000 + '"}').encode()
    with edge() as server:
        assert server.post("/echo", body).body == body


def test_any_bytes_reach_the_route_unchanged() -> None:
    body = b'{"query": "\xff\xfe\xed\xa0\x80"}'
    with edge() as server:
        assert server.post("/echo", body).body == body

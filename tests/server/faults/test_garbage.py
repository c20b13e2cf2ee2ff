"""Bytes that are no request: an error of the client or a closed connection, and never an error of the server."""

import gzip
import json

import numpy as np
import pytest

from resift.bench.serve.connection import parse_answer, post
from tests.server.faults.live import PATH, request, texts

pytestmark = pytest.mark.timeout(240)
VALID = request("garbage", texts(3, seed=4))


def check(received: bytes) -> int | None:
    """Return the status of an answer, None for a closed connection; anything else is an error."""
    if not received:
        return None
    answer = parse_answer(bytearray(received))
    assert answer is not None, received[:200]
    assert answer[0].status < 500, (answer[0].status, answer[0].body[:300])
    return answer[0].status


def test_random_bytes(live) -> None:
    rng = np.random.default_rng(0)
    for size in rng.integers(1, 3000, 100):
        assert check(live.raw(rng.bytes(int(size)) + b"\r\n\r\n", half_close=True)) != 200


def test_damaged_requests(live) -> None:
    """One byte or a few are changed, anywhere: an answer, an error or a closed connection, in time."""
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(200):
        data = bytearray(VALID)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            data[place] = rng.integers(256)
        seen.add(check(live.raw(bytes(data), half_close=True)))
    assert {200, 400} <= seen


def test_truncated_requests(live) -> None:
    for end in np.random.default_rng(2).integers(1, len(VALID), 100):
        assert check(live.raw(VALID[: int(end)], half_close=True)) != 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "NONSENSE"])
def test_methods(live, method: str) -> None:
    status = check(live.raw(f"{method} {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()))
    assert status is None or 400 <= status < 500


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b'"text"', b"1e999", b"\xff\xfe\x00", b'{"query": "\xff", "documents": ["a"]}',
        b"[" * 100_000, b'{"a":' * 50_000, json.dumps({"query": 5, "documents": "x"}).encode(),
        b'{"query": "a", "documents": {"0": "b"}}', b'{"query": "a"}', b'{"documents": ["a"]}',
        b'{"query": "a", "documents": ["b"], "top_n": "many"}',
        b'{"query": "a", "documents": ["b"], "max_length": 1e30}',
        b'{"query": "a", "documents": ["b"], "deadline_ms": NaN}',
    ],
    ids=range(17),
)  # fmt: skip
def test_bodies(live, body: bytes) -> None:
    received = live.raw(post(PATH, body))
    status = check(received)
    assert status is not None and 400 <= status < 500
    assert parse_answer(bytearray(received))[0].body.startswith(b"{")  # says what is wrong


def test_a_bomb(live) -> None:
    bomb = gzip.compress(b" " * (1 << 30), 9)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n"
    status = check(live.raw(f"{head}Content-Length: {len(bomb)}\r\n\r\n".encode() + bomb))
    assert status == 413


def test_one_bad_document_among_good_ones(live) -> None:
    documents = ["capital", 5, None, ["a"], "france", "x" * 1_100_000, "\ud800 lone"]
    status, body = live.rank("capital of france", documents)
    assert status == 200, body
    results = {result["index"]: result for result in json.loads(body)["results"]}
    assert [i for i in range(len(documents)) if "error" in results[i]] == [1, 2, 3, 5]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.bench.serve.connection import Answer, get, parse_answer, post

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
CLOSING = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CASES = {
    PLAIN: Answer(200, b"hello"),
    CHUNKED: Answer(422, b"hello world"),
    INTERIM: Answer(200, b"hello"),
    CLOSING: Answer(503, b"", close=True),
    EMPTY: Answer(204, b""),
}


@pytest.mark.parametrize("received", CASES, ids=["plain", "chunked", "interim", "closing", "empty"])
def test_answers(received: bytes) -> None:
    assert parse_answer(bytearray(received)) == (CASES[received], len(received))


@given(st.sampled_from(list(CASES)), st.data())
def test_no_part_of_an_answer_is_one(received: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(received) - 1))
    assert parse_answer(bytearray(received[:end])) is None


def test_the_next_answer_is_left_alone() -> None:
    answer = parse_answer(bytearray(PLAIN + CLOSING))
    assert answer == (Answer(200, b"hello"), len(PLAIN))


def test_requests() -> None:
    assert post("/a", "ä".encode()).startswith(b"POST /a HTTP/1.1\r\nHost: localhost\r\n")
    assert b"\r\nContent-Length: 2\r\n" in post("/a", "ä".encode()) and post("/a", b"{}").endswith(b"\r\n\r\n{}")
    assert get("/b") == b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n"

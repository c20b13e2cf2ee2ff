"""Keys, origins, host names, headers, ids, limits, logs and measurements around the routes."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from resift.errors import InputError
from resift.server.edges.headers import content_policy
from resift.server.edges.hosts import is_loopback
from resift.server.edges.keys import KeyRing
from resift.server.edges.logs import LOGGERS, LONGEST, configure_logs
from resift.server.settings import Limits, Settings
from tests.server.edges.harness import PAGE, PATIENCE, edge

pytestmark = pytest.mark.timeout(180)
LOCKED = Settings(api_keys=("first", "zweiter-schlüssel"))


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Catch what the server logs, whatever the form; loggers are as before afterwards."""
    before = {
        name: (logger := logging.getLogger(name), logger.handlers, logger.propagate, logger.level) for name in LOGGERS
    }
    yield io.StringIO()
    logging.captureWarnings(False)
    for logger, handlers, propagate, level in before.values():
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer first"},
        {"Authorization": "bearer  first"},
        {"X-API-Key": "first"},
        {"X-API-Key": "zweiter-schlüssel".encode().decode("latin-1")},
        {"Authorization": "Bearer wrong", "X-API-Key": "first"},
    ],
)
def test_known_keys_are_let_in(headers: dict[str, str]) -> None:
    with edge(LOCKED) as server:
        assert server.post("/echo", headers=headers).status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer firs"}, {"Authorization": "Basic first"}, {"X-API-Key": ""}]
)
@pytest.mark.parametrize(
    ("path", "key"), [("/predict", "error_type"), ("/v2/rerank", "message"), ("/v1/models", "error")]
)
def test_others_get_401_in_the_dialect(headers: dict[str, str], path: str, key: str) -> None:
    with edge(LOCKED) as server:
        answer = server.post(path, b'{"query": "q"}', headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert key in answer.json()
        assert server.app.scopes == []


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/", "/playground/page.js", "/docs"])
def test_probes_and_pages_need_no_key(path: str) -> None:
    with edge(LOCKED) as server:
        assert server.get(path).status == 200
    with edge(Settings(api_keys=("first",), key_for_probes=True)) as server:
        assert server.get(path).status == (401 if path in {"/health", "/ready", "/metrics"} else 200)


def test_what_needs_no_key_to_read_needs_one_to_write() -> None:
    with edge(LOCKED) as server:
        assert server.post("/health").status == 401


def test_keys_of_a_file_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the search team\n\n  one  \n")
    with edge(Settings(api_keys_file=file)) as server:
        assert server.post("/echo", headers={"X-API-Key": "one"}).status == 200
        file.write_text("two\nthree\n")
        server.ring.reload()
        assert server.post("/echo", headers={"X-API-Key": "one"}).status == 401
        assert server.post("/echo", headers={"X-API-Key": "three"}).status == 200
        file.write_text("# nobody\n")
        with pytest.raises(InputError, match="no API key"):
            server.ring.reload()
        assert server.post("/echo", headers={"X-API-Key": "two"}).status == 200


@pytest.mark.parametrize("content", [None, b"", b"# only this\n", b"\xff\xfe"])
def test_a_file_without_keys_leaves_no_open_server(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="API key"):
        KeyRing((), file)


def test_comments_and_a_byte_order_mark_are_no_part_of_a_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbfone  # team a\r\n  # two\r\nth#ree\r\n")
    ring = KeyRing((), file)
    assert len(ring) == 2
    assert ring.knows(b"one")
    assert ring.knows(b"th#ree")


def test_pages_of_other_origins_cannot_read_unless_told() -> None:
    with edge() as server:
        assert "access-control-allow-origin" not in server.get("/echo", Origin="https://a.example").headers
    with edge(Settings(cors_origins=("https://a.example",), api_keys=("k",))) as server:
        allowed = server.get("/health", Origin="https://a.example").headers
        assert allowed["access-control-allow-origin"] == "https://a.example"
        assert "X-Request-Id" in allowed["access-control-expose-headers"]
        assert "access-control-allow-origin" not in server.get("/health", Origin="https://b.example").headers
        denied = server.get("/v1/models", Origin="https://a.example")
        assert (denied.status, denied.headers["access-control-allow-origin"]) == (401, "https://a.example")
        with server.connect() as client:
            client.send(
                b"OPTIONS /v1/rerank HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"
                b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
            )
            asked = client.read()
        assert asked.status == 200
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("api.localhost", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_a_local_server_answers_to_local_names(host: str, fits: bool) -> None:
    with edge() as server:
        assert (server.get("/echo", Host=host).status == 200) == fits
    with edge(Settings(host="0.0.0.0")) as server:
        assert server.get("/echo", Host=host).status == 200
    with edge(Settings(allowed_hosts=("evil.example",))) as server:
        assert (server.get("/echo", Host=host).status == 200) == (fits or host == "evil.example")


def test_addresses_of_this_machine() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.1", "example.com", ""]))


def test_pages_have_a_policy_that_fits_their_scripts() -> None:
    with edge() as server:
        answer = server.get("/page")
        assert answer.body == PAGE
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        # openssl dgst -sha256 -binary | base64 of "let a = 1;"
        assert "script-src 'sha256-" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        own = server.get("/own")
        assert own.headers["content-security-policy"] == "default-src 'self'"
        assert own.headers["referrer-policy"] == "origin"
        other = server.post("/echo")
        assert other.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" not in other.headers


def test_a_script_has_its_own_hash() -> None:
    first, second = content_policy(b"<script>a</script>"), content_policy(b"<script>b</script>")
    assert first != second
    assert b"'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='" in first
    assert b"script-src 'none'" in content_policy(b"<p>no script")
    assert b"'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='" in content_policy(
        b"<script type=module>a</script ><script>b</script>"
    )


def test_request_ids() -> None:
    with edge() as server:
        assert server.get("/echo", X_Request_Id="abc-1.2:3").headers["x-request-id"] == "abc-1.2:3"
        made = [server.get("/echo", X_Request_Id=bad).headers["x-request-id"] for bad in ("a b", "x" * 200, "a\"'", "")]
        assert len(set(made)) == 4
        assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)
        with server.connect() as client:
            assert client.post("/echo", headers={"Content-Encoding": "br"}).read().headers["x-request-id"]


def test_more_requests_than_the_limit_get_429() -> None:
    with edge(Settings(limits=Limits(max_requests=2))) as server:
        with server.connect() as first, server.connect() as second:
            for client in (first, second):
                client.post("/wait")
                assert server.app.entered.acquire(timeout=PATIENCE)
            refused = server.post("/v1/rerank")
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert "max_requests" in refused.json()["message"]
            assert server.get("/health").status == 200
            server.call(server.app.release.set)
            assert first.read().status == second.read().status == 200
        assert server.post("/echo").status == 200


def test_a_defect_is_answered_and_logged_without_the_text(logs: io.StringIO) -> None:
    configure_logs(Settings(log_format="json"), logs)
    with edge() as server:
        answer = server.post("/boom", b'"a secret document"')
        assert answer.status == 500
        assert "RuntimeError" not in answer.body.decode()
        assert server.post("/echo").status == 200
    assert "a secret document" not in logs.getvalue()  # what was raised says it
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert "RuntimeError" in lines[0]["traceback"]
    assert lines[0]["request_id"] == lines[1]["request_id"] == answer.headers["x-request-id"]
    assert (lines[1]["status"], lines[1]["path"]) == (500, "/boom")


def test_what_libraries_warn_of_is_a_line_of_the_log_too(logs: io.StringIO) -> None:
    configure_logs(Settings(log_format="json"), logs)
    library = logging.getLogger("opentelemetry.sdk.trace.export")
    library.warning("no collector at %s", "http://127.0.0.1:9")
    library.info("nobody needs this")
    (line,) = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert (line["level"], line["logger"], line["message"]) == (
        "warning",
        library.name,
        "no collector at http://127.0.0.1:9",
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_documents_are_in_logs_only_when_asked(form: str, logs: io.StringIO) -> None:
    configure_logs(Settings(log_format=form), logs)
    with edge() as server:
        server.post("/echo", b'"confidential"')
    assert "/echo" in logs.getvalue()
    assert "confidential" not in logs.getvalue()
    told = Settings(log_format=form, log_documents=True)
    configure_logs(told, logs)
    with edge(told) as server:
        server.post("/echo", b'"confidential"' + b" " * LONGEST + b'"the end"')
    assert "confidential" in logs.getvalue()
    assert "the end" not in logs.getvalue()


@pytest.mark.parametrize(("path", "ended"), [("/late", True), ("/halfway", False)])
def test_a_defect_behind_the_answer_is_logged_once(path: str, ended: bool, logs: io.StringIO) -> None:
    configure_logs(Settings(), logs)
    with edge() as server, server.connect() as client:
        client.post(path, b'"a secret document"')
        if ended:
            assert client.read().body == b"ok"
            assert client.get("/echo").read().status == 200
        else:
            with pytest.raises(AssertionError, match="too soon"):
                client.read()
    assert logs.getvalue().count("nobody foresaw") == 1
    assert "a secret document" not in logs.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_nobody_forges_a_line(form: str, logs: io.StringIO) -> None:
    configure_logs(Settings(log_format=form), logs)
    with edge() as server:
        server.get("/a%0A2026-01-01%20error%20forged%1b[31m%C2%85forged%E2%80%A8forged%C2%9B31m%E2%80%AE%7f")
    assert len(logs.getvalue().splitlines()) == 1
    assert logs.getvalue().rstrip("\n").isprintable()


def test_probes_are_quiet(logs: io.StringIO) -> None:
    configure_logs(Settings(), logs)
    with edge() as server:
        server.get("/health")
        server.get("/ready")
    assert logs.getvalue() == ""


def test_measurements_have_few_labels() -> None:
    with edge() as server:
        server.post("/echo")
        for place in range(5):
            server.get(f"/made-up/{place}")
        server.get("/missing")
        text = server.get("/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "made-up" not in text.body.decode()
        assert server.metric("resift_requests_total", route="/echo", status="200") == 1
        assert server.metric("resift_requests_total", route="other", status="200") == 5
        assert server.metric("resift_errors_total", route="other", status="404") == 1
        assert server.metric("resift_request_seconds_count", route="/echo") == 1
        assert server.metric("resift_requests_in_flight") == 0


def test_a_client_that_left_is_counted() -> None:
    with edge() as server:
        with server.connect() as client:
            client.post("/wait")
            assert server.app.entered.acquire(timeout=PATIENCE)
        assert server.app.left.wait(PATIENCE)
        server.get("/echo")
        assert server.metric("resift_requests_total", route="/wait", status="499") == 1

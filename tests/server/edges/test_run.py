"""`resift serve` as a process: its start, signals, certificate, end."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import resift
from resift.errors import InputError
from resift.server.run import bind, open_tls, raise_file_limit, routes_of
from resift.server.settings import Settings
from tests.server.edges.harness import PATIENCE, Connection, edge

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals"),
]
ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, contextlib, sys
from resift.server.api import build_api
from resift.server.configure import read_settings
from resift.server.run import serve
from tests.server.dialects.fake import FakeService

class Service(FakeService):
    engine_pid = None

    async def run(self, work):
        if work.pairs[0][0] == "wait":
            print("in work", flush=True)
            await asyncio.sleep(float(work.pairs[0][1]))
        return await super().run(work)

@contextlib.asynccontextmanager
async def opened():
    yield Service()
    print("service closed", flush=True)

flags = dict(pair.split("=", 1) for pair in sys.argv[1:])
settings = read_settings((), {"port": "0", **flags}, environment={}).settings
tell = lambda port: print("port", port, flush=True)
code = serve(settings, opener=lambda settings, observer: opened(), announce=tell)
print("ended", flush=True)
sys.exit(code)
"""


@dataclass
class Process:
    """A server whose lines are read as they come."""

    run: subprocess.Popen[str]
    lines: "queue.Queue[str]"
    log: list[str]
    port: int = 0

    def wait_for(self, word: str) -> str:
        while True:
            line = self.lines.get(timeout=PATIENCE)
            if word in line:
                return line

    def wait(self) -> int:
        return self.run.wait(PATIENCE)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            yield Connection(sock)


@contextlib.contextmanager
def process(**flags: object) -> Iterator[Process]:
    arguments = [f"{name}={value}" for name, value in flags.items()]
    path = os.pathsep.join([str(Path(resift.__file__).parents[1]), str(ROOT)])
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    ) as run:
        server = Process(run, queue.Queue(), [])
        threads = [
            threading.Thread(target=lambda: [server.lines.put(line) for line in run.stdout or ()], daemon=True),
            threading.Thread(target=lambda: [_log(server, line) for line in run.stderr or ()], daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            server.port = int(server.wait_for("port ").split()[1])
            yield server
        except queue.Empty:
            raise AssertionError("".join(server.log)) from None
        finally:
            run.kill()
            for thread in threads:
                thread.join(PATIENCE)


def _log(server: Process, line: str) -> None:
    server.log.append(line)
    server.lines.put(line)


def body(seconds: float) -> bytes:
    return json.dumps({"query": "wait", "documents": [str(seconds)]}).encode()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_request_in_work_is_answered_before_the_end(number: str) -> None:
    with process() as server, server.connect() as busy, server.connect() as idle:
        assert idle.get("/health").read().status == 200
        busy.post("/v1/rerank", body(0.5))
        server.wait_for("in work")
        server.run.send_signal(getattr(signal, number))
        assert idle.closed()
        answer = busy.read()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert server.wait() == 0
        server.wait_for("ended")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def test_a_body_on_its_way_is_still_read() -> None:
    with process() as server, server.connect() as client:
        whole = body(0)
        client.post("/v1/rerank", whole[:5], length=len(whole))
        with server.connect() as other:
            assert other.get("/health").read().status == 200
        server.run.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        client.send(whole[5:])
        assert client.read().status == 200
        assert server.wait() == 0


def test_the_drain_has_an_end() -> None:
    with process(drain_seconds=0.1) as server, server.connect() as client:
        client.post("/v1/rerank", body(1000))
        server.wait_for("in work")
        server.run.send_signal(signal.SIGTERM)
        server.wait_for("service closed")
        assert server.wait() == 0
        assert client.closed()


def test_a_second_signal_does_not_wait() -> None:
    with process(drain_seconds=1000) as server, server.connect() as client:
        client.post("/v1/rerank", body(1000))
        server.wait_for("in work")
        server.run.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.run.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert client.closed()


def test_sighup_reads_the_keys_again(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("old")
    with process(api_keys_file=file) as server, server.connect() as client:

        def status(key: str) -> int:
            return client.get("/v1/models", X_API_Key=key).read().status

        assert (status("old"), status("new")) == (200, 401)
        file.write_text("new")
        server.run.send_signal(signal.SIGHUP)
        server.wait_for("were read again")
        assert (status("old"), status("new")) == (401, 200)
        file.unlink()
        server.run.send_signal(signal.SIGHUP)
        server.wait_for("were not read again")
        assert status("new") == 200


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return cert, key


def test_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    client = ssl.create_default_context(cafile=cert)
    with edge(Settings(tls_cert=cert, tls_key=key), client=client) as server:
        with server.connect() as connection:
            assert connection.post("/echo", b"1" * 300_000).read().body == b"1" * 300_000
            assert connection.post("/echo", b"2").read().body == b"2"
            assert isinstance(connection.sock, ssl.SSLSocket)
            assert connection.sock.version() in {"TLSv1.2", "TLSv1.3"}
        assert server.app.scopes[0]["scheme"] == "https"
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as plain:
            assert Connection(plain).get("/echo").closed()
        with server.connect() as connection:
            connection.post("/wait")
            assert server.app.entered.acquire(timeout=PATIENCE)
        assert server.app.left.wait(PATIENCE)


def test_a_key_that_does_not_fit_is_an_error(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    assert open_tls(Settings(tls_cert=both)) is not None
    assert open_tls(Settings()) is None
    for settings in (
        Settings(tls_cert=cert),
        Settings(tls_cert=cert, tls_key=tmp_path / "none.pem"),
        Settings(tls_cert=tmp_path / "none.pem", tls_key=key),
    ):
        with pytest.raises(InputError, match=r"certificate.*PEM"):
            open_tls(settings)


def test_a_taken_port_is_an_error() -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1 port {port}.*--port"):
            bind("127.0.0.1", port)
    for host, number in (("no.such.host.invalid", 80), ("127.0.0.1", 70000)):
        with pytest.raises(InputError, match="cannot listen"):
            bind(host, number)
    with pytest.raises(InputError, match="--host is an address of this machine"):
        bind("192.0.2.1", 0)


def test_open_files_are_raised_to_what_is_allowed() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_routes_of_the_api_are_known() -> None:
    from resift.server.api import build_api
    from tests.server.dialects.fake import FakeService

    routes = routes_of(build_api(FakeService(), Settings()))
    assert {"/rerank", "/v1/rerank", "/v1/score", "/health", "/ready"} <= routes
    assert all("{" not in route for route in routes)

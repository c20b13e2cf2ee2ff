"""The servers that can be measured: how each is started, asked and read. To add one, write a row."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from resift.bench.peers import Precision
from resift.bench.serve.connection import get, parse_answer
from resift.closing import Closing

_QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "true"}
_NAME = "model"
_LONGEST = 512


class ServerError(Exception):
    """A server did not start, or died."""


@dataclass(frozen=True)
class Start:
    """What a server is started with."""

    folder: Path | None
    port: int
    threads: int


@dataclass(frozen=True)
class Server:
    """One server.

    Attributes:
        command: the arguments after the interpreter.
        packages: whose versions are recorded, from its own environment.
        path: that documents are posted to.
        fields: of the request, beside query and documents.
        ready: path that answers 200 once it is ready.
        precision: of its matrix products.
        variables: environment variables.
        export: which export of the model it is started in; None for the model's own files.
        tolerance: how far its raw scores may be from those of our engine at the same precision; None for any.
    """

    command: Callable[[Start], list[str]]
    packages: tuple[str, ...]
    path: str
    ready: str
    precision: Precision
    fields: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    export: Literal["onnx-int8"] | None = None
    tolerance: float | None = None

    def body(self, query: str, documents: Sequence[str]) -> bytes:
        """Return the JSON of a request."""
        return json.dumps({"query": query, "documents": documents, **self.fields}, ensure_ascii=False).encode()

    def read(self, body: bytes) -> list[tuple[int, float]]:
        """Return (index, score) of each document of an answer; raises ValueError or KeyError where it is none."""
        return [(result["index"], result["relevance_score"]) for result in json.loads(body)["results"]]


def _ours(start: Start, precision: Precision) -> list[str]:
    model = [str(start.folder)] if start.folder is not None else []
    return [
        "-m", "resift.cli", "serve", *model, "--port", str(start.port), "--threads", str(start.threads),
        "--precision", precision, "--cache-bytes", "0",
    ]  # fmt: skip


def _infinity(start: Start, engine: str) -> list[str]:
    return [
        "-c", "from infinity_emb.cli import cli; cli()", "v2", "--model-id", str(start.folder),
        "--served-model-name", _NAME, "--engine", engine,
        "--device", "cpu", "--host", "127.0.0.1", "--port", str(start.port), "--log-level", "warning",
    ]  # fmt: skip


OURS = "resift"
_RAW = {"scores": "raw", "return_documents": False}
_INFINITY: dict[str, Any] = {
    "path": "/rerank",
    "ready": "/models",
    "fields": {"model": _NAME, "raw_scores": True, "return_documents": False},
    "variables": {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"},
}
SERVERS: Mapping[str, Server] = {
    **{
        f"{OURS}-{precision}": Server(
            command=lambda start, precision=precision: _ours(start, precision),  # type: ignore[misc]
            packages=(OURS, "uvicorn", "fastapi"), path="/v1/rerank", ready="/ready", precision=precision,
            fields=_RAW, tolerance=0.0,
        )
        for precision in ("fp32", "bf16", "int8")
    },
    "infinity-torch": Server(
        command=lambda start: _infinity(start, "torch"), packages=("infinity-emb", "torch", "transformers"),
        precision="fp32", tolerance=1e-3, **_INFINITY,
    ),
    "infinity-onnx-int8": Server(
        command=lambda start: _infinity(start, "optimum"), packages=("infinity-emb", "onnxruntime", "optimum"),
        precision="int8", export="onnx-int8", **_INFINITY,
    ),
}  # fmt: skip


class Running(Closing):
    """A server's process on a port of its own.

    Args:
        name: of the server.
        folder: of the model; None for the embedded one.
        threads: cores.
        python: its interpreter, None for this one.
        log: file that its output goes to.
        options: more arguments of its command line.
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        *,
        threads: int,
        log: Path,
        python: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.server = SERVERS[name]
        self.port = free_port()
        self.log = log
        inside = folder if self.server.export is not None else None
        start = Start(folder if inside is None else Path(), self.port, threads)
        command = [python if python is not None else sys.executable, *self.server.command(start)]
        variables = {**_QUIET, "OMP_NUM_THREADS": str(threads), **self.server.variables}
        if inside is not None:  # it keeps what it optimised, by the model's name, which is the same for all
            variables["HF_HOME"] = str(inside / "cache")
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *options], stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **variables},
                start_new_session=True, cwd=inside,
            )  # fmt: skip

    def wait(self, seconds: float) -> float:
        """Wait until it is ready and return how long that took; raises ServerError when it is not in time."""
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            if self.process.poll() is not None:
                raise ServerError(f"{self.name} ended with code {self.process.returncode}: {self._last_line()}")
            if self.status(self.server.ready) == 200:
                return time.perf_counter() - start
            time.sleep(0.1)
        raise ServerError(f"{self.name} was not ready in {seconds:.0f} s: {self._last_line()}")

    def status(self, path: str) -> int | None:
        """Return the status that a GET is answered with, None without an answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                connection.sendall(get(path))
                received = bytearray()
                while (answer := parse_answer(received)) is None:
                    more = connection.recv(65536)
                    if not more:
                        return None
                    received += more
                return answer[0].status
        except OSError:
            return None

    def close(self) -> None:
        """Stop the server: politely, then by force."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def _last_line(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it wrote nothing"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stage_onnx(folder: Path, model: Path, to: Path) -> Path:
    """Return a folder of the model as infinity and optimum read it together: started in it, graph and all at its top.

    infinity warms its ONNX models up with texts of `max_position_embeddings` tokens, of which RoBERTa's family cannot
    use the first few, so its configuration says fewer.
    """
    to.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.json"):
        shutil.copy(file, to)
    config = json.loads((to / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = min(config["max_position_embeddings"] - 2, _LONGEST)
    (to / "config.json").write_text(json.dumps(config), encoding="utf-8")
    link = to / "model_quantized.onnx"
    link.unlink(missing_ok=True)
    link.symlink_to(model.resolve())
    return to

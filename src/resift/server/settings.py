"""The server's settings: one frozen record, whatever of flags, environment and file it was read from.

Each field carries its text for `--help` and the documentation, and what `server/configure.py` checks of its value.
"""

# ruff: noqa: RUF009 - setting() makes a dataclass field

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

AUTO = Path("auto")
"""A calibration that is looked for beside the model."""


def setting(
    default: T, text: str, *, least: float | None = None, choices: Sequence[str] = (), secret: bool = False
) -> T:
    """Describe one field: its default, its text, the least value or the values it takes, whether it is shown."""
    metadata: dict[str, Any] = {"text": text, "least": least, "choices": tuple(choices), "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may ask for. Every refusal names the limit and its value."""

    max_body_bytes: int = setting(32 * 1024 * 1024, "bytes of a request's body, before and after unpacking", least=1)
    max_bodies_bytes: int = setting(
        512 * 1024 * 1024, "bytes of all bodies that are read or in work at a time; more get 429", least=1
    )
    max_documents: int = setting(2048, "pairs in one request", least=1)
    max_text_characters: int = setting(
        1_000_000, "characters of one query or document; a longer document gets an error of its own", least=1
    )
    max_queue_tokens: int = setting(
        2_000_000, "tokens that wait in all: more get 429, or 413 when one request alone is larger", least=1
    )
    max_requests: int = setting(1024, "requests in work at a time; more get 429", least=1)
    max_connections: int = setting(16384, "connections open at a time; more are closed at once", least=1)
    max_header_bytes: int = setting(65536, "bytes of a request's line and headers; more get 431", least=256)
    max_json_depth: int = setting(64, "levels of lists and objects in a body; more get 400", least=4)
    max_json_values: int = setting(
        1_000_000, "values in a body, counted by commas and brackets outside of texts; more get 413", least=1
    )
    header_seconds: float = setting(10.0, "seconds that a client has to send the headers of a request", least=0.01)
    body_seconds: float = setting(30.0, "seconds that a client has to send the body of a request", least=0.01)
    write_seconds: float = setting(30.0, "seconds that a client may leave an answer unread", least=0.01)
    keep_alive_seconds: float = setting(75.0, "seconds that an idle connection stays open", least=0.0)
    drain_seconds: float = setting(
        30.0, "seconds that requests in work have to end after the signal to stop", least=0.0
    )
    max_deadline: float = setting(300.0, "seconds that a request may wait in all, whatever it asks for", least=0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """One model to serve. `model` is None for the embedded one, else a folder or a hub id."""

    name: str = setting("embedded", "what requests call the model")
    model: str | None = setting(None, "a folder or a hub id; none is the built-in model")
    revision: str | None = setting(None, "commit, tag or branch of a hub model")
    precision: str | None = setting(None, "number format of the weights", choices=("fp32", "bf16", "fp16", "int8"))
    max_length: int | None = setting(None, "longest query and document together, in tokens", least=8)
    truncation: str | None = setting(
        None,
        "what is cut: the document (flag) or the longer; longest_first by default, or that of the calibration",
        choices=("flag", "longest_first"),
    )
    template: str | None = setting(None, "text of a document with fields: 'Title: {title}\\n{body}'")
    calibration: Path | None = setting(
        None, "what `resift calibrate` wrote, or auto for the file beside the model, if there is one"
    )
    scores: str = setting("sigmoid", "scores in 0..1, unless a request says which", choices=("sigmoid", "calibrated"))
    group: str | None = setting(None, "group of the calibration, unless a request says which")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `resift serve` can be told. The first of `models` is the default one."""

    models: tuple[ModelSettings, ...] = (ModelSettings(),)
    any_model_name: bool = setting(False, "answer unknown model names with the first model")
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 is reachable from other machines")
    port: int = setting(8000, "port to listen on; 0 takes a free one", least=0)
    threads: int | None = setting(None, "threads of the engine; all cores by default", least=1)
    device: str | None = setting(None, "cpu")
    backend: str | None = setting(None, "native, or reference, which is slow")
    cache_dir: Path | None = setting(None, "folder of downloaded models")
    max_batch_tokens: int = setting(8192, "tokens in one batch of the engine", least=1)
    api_keys: tuple[str, ...] = setting((), "keys of which a request must send one; none means open", secret=True)
    api_keys_file: Path | None = setting(None, "file with more keys, one a line; read again on SIGHUP")
    key_for_probes: bool = setting(False, "whether /metrics, /health and /ready need a key too")
    tls_cert: Path | None = setting(None, "certificate chain, PEM; read again on SIGHUP")
    tls_key: Path | None = setting(None, "key of the certificate, PEM; by default in the certificate's file")
    cors_origins: tuple[str, ...] = setting((), "origins whose pages may call from browsers, or *")
    allowed_hosts: tuple[str, ...] = setting(
        (), "Host names to answer to, or *; by default local ones on a loopback address, else all"
    )
    cache_bytes: int = setting(64 * 1024 * 1024, "bytes of the score cache in memory; 0 switches it off", least=0)
    cache_folder: Path | None = setting(None, "folder of the score cache on disk; none by default")
    cache_folder_bytes: int = setting(1024 * 1024 * 1024, "bytes of the score cache on disk", least=0)
    playground: bool = setting(True, "serve the playground at /")
    log_level: str = setting("info", "what is logged", choices=("debug", "info", "warning", "error"))
    log_format: str = setting("text", "form of the log lines", choices=("text", "json"))
    log_documents: bool = setting(False, "whether queries and documents may be in logs")
    otlp: str | None = setting(None, "OpenTelemetry endpoint for traces (OTLP over HTTP), needs the extra 'otel'")
    drift_reference: Path | None = setting(
        None, "file of scores to compare with: read if it is there, else written from the first scores"
    )
    drift_scores: int = setting(2000, "scores in the reference and in the window beside it", least=100)
    limits: Limits = Limits()

"""The server's settings: one frozen record, whatever of flags, environment and file it was read from."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may ask for. Every refusal names the limit and its value.

    Attributes:
        max_body_bytes: of a request's body, after decompression.
        max_documents: pairs in one request.
        max_text_characters: of one query or document: a longer document gets an error of its own.
        max_queue_tokens: waiting in all: a request that would go beyond gets 429, or 413 when it alone is larger.
        max_requests: in work at a time; more get 429.
        max_connections: open at a time; more are closed at once.
        header_seconds, body_seconds: that a client has to send the headers, and the body, of a request.
        write_seconds: that a client may leave an answer unread before the connection is closed.
        keep_alive_seconds: that an idle connection stays open.
        drain_seconds: that requests in work have to end after the signal to stop.
        max_deadline: the longest a request may wait in all, in seconds; also for those without a deadline.
    """

    max_body_bytes: int = 32 * 1024 * 1024
    max_documents: int = 2048
    max_text_characters: int = 1_000_000
    max_queue_tokens: int = 1_000_000
    max_requests: int = 1024
    max_connections: int = 16384
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    keep_alive_seconds: float = 75.0
    drain_seconds: float = 30.0
    max_deadline: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """One model to serve.

    Attributes:
        name: what requests call it.
        model: None for the embedded one, a folder or a hub id.
        revision, precision, max_length, truncation, template: as in `Reranker`. `truncation` is `longest_first` for
            a server (as TEI, vLLM and sentence-transformers do) unless told otherwise.
    """

    name: str
    model: str | None = None
    revision: str | None = None
    precision: str | None = None
    max_length: int | None = None
    truncation: str = "longest_first"
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `resift serve` can be told.

    Attributes:
        models: the first is the default.
        any_model_name: whether a request for a model of another name is answered by the default one, for
            applications that always send the name of a hosted model.
        host, port: loopback unless told.
        threads: of the engine; None for all cores.
        device, backend, cache_dir: as in `Reranker`.
        max_batch_tokens: tokens in one batch of the engine.
        api_keys: of which a request must send one, as a Bearer token or X-API-Key; none means open.
        api_keys_file: more of them, one a line; read again on SIGHUP.
        tls_cert, tls_key: files of the certificate chain and its key.
        cors_origins: that browsers may call from; none by default.
        cache_bytes: of the score cache in memory; 0 switches it off.
        cache_folder, cache_folder_bytes: of the score cache on disk; None for none.
        playground: whether `/` serves the playground.
        log_format: `text` or `json`; log_documents: whether texts may be in logs.
        otlp: OpenTelemetry endpoint; None for none.
        drift_reference: file of a score histogram to compare with; None takes the first scores after the start.
    """

    models: tuple[ModelSettings, ...] = (ModelSettings(name="embedded"),)
    any_model_name: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int | None = None
    device: str | None = None
    backend: str | None = None
    cache_dir: Path | None = None
    max_batch_tokens: int = 8192
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    api_keys_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    cors_origins: tuple[str, ...] = ()
    cache_bytes: int = 64 * 1024 * 1024
    cache_folder: Path | None = None
    cache_folder_bytes: int = 1024 * 1024 * 1024
    playground: bool = True
    log_format: str = "text"
    log_documents: bool = False
    otlp: str | None = None
    drift_reference: Path | None = None
    limits: Limits = Limits()

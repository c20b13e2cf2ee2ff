"""From settings to a running server, and from a signal to its end."""

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fastapi import FastAPI
from prometheus_client import disable_created_metrics
from starlette.routing import Route

from resift.errors import InputError, ResiftError
from resift.server.api import build_api
from resift.server.drift import DriftWatch
from resift.server.edges.keys import KeyRing
from resift.server.edges.listener import Listener
from resift.server.edges.logs import configure_logs
from resift.server.edges.stack import wrap
from resift.server.edges.tracing import Tracing, open_tracing
from resift.server.metrics import Metrics
from resift.server.observer import Observer
from resift.server.records import Service
from resift.server.service import open_service
from resift.server.settings import Settings

YOUNG_OBJECTS = 20_000
"""Objects between two garbage collections: a request makes hundreds, and Python's 700 means one every few requests."""
LAST_WORDS_SECONDS = 1.0
"""How long the answers have to go out that say that the server is shutting down."""
logger = logging.getLogger("resift.server")


class EngineService(Service, Protocol):
    """A service whose engine is a process."""

    @property
    def engine_pid(self) -> int | None:
        """That process, None while there is none."""


class Opener(Protocol):
    """Loads the models and starts the engine, blocking; the service runs within its `async with`."""

    def __call__(self, settings: Settings, *, observer: Observer) -> AbstractAsyncContextManager[EngineService]:
        """Open the service. Raises ResiftError."""


def serve(
    settings: Settings,
    *,
    opener: Opener = open_service,
    loading: Callable[[], None] = lambda: None,
    announce: Callable[[int], None] = lambda _: None,
) -> int:
    """Answer requests until a signal says to stop; return the exit code, 0.

    `loading` is called before the models are loaded, `announce` is told the port once requests are answered. Raises
    ResiftError when the server cannot start: a taken port, a model that is not there, a key file without keys.
    """
    ring = KeyRing(settings.api_keys, settings.api_keys_file)
    context = open_tls(settings)
    tracing = open_tracing(settings.otlp)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics(DriftWatch(settings.drift_scores, settings.drift_reference), on_request=tracing.stages)
    with contextlib.closing(bind(settings.host, settings.port)) as listening, contextlib.closing(tracing):
        _prepare_process(settings)
        loading()
        service = opener(settings, observer=metrics)
        run = _Run(settings, ring, metrics, tracing, context)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run.main(service, listening, announce))
    return 0


def _prepare_process(settings: Settings) -> None:
    """Change what belongs to the whole process, once nothing can be wrong with the settings any more."""
    raise_file_limit()
    configure_logs(settings)


def _settle_memory() -> None:
    """Let the garbage collector pass over what was loaded: it stays, and was looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


class _Run:
    """The parts of one run, and what signals do to them."""

    def __init__(
        self, settings: Settings, ring: KeyRing, metrics: Metrics, tracing: Tracing, context: ssl.SSLContext | None
    ) -> None:
        self._settings = settings
        self._ring = ring
        self._metrics = metrics
        self._tracing = tracing
        self._context = context
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def main(
        self,
        opened: AbstractAsyncContextManager[EngineService],
        listening: socket.socket,
        announce: Callable[[int], None],
    ) -> None:
        """Answer until told to stop; then let what is in work end, in the time that there is for it."""
        with _signals(self._on_stop, self._reload):
            async with opened as service:
                listener = self._listener(service)
                await listener.start(listening, self._context)
                _settle_memory()
                announce(listening.getsockname()[1])
                await self._stop.wait()
                listener.stop()
                seconds = self._settings.limits.drain_seconds
                logger.info("stopping", extra={"connections": listener.connections, "drain_seconds": seconds})
                left = await listener.settle(seconds, hurry=self._hurry)
            if left:  # the end of the service has answered them
                await listener.settle(LAST_WORDS_SECONDS, hurry=self._hurry)
            await listener.close()
            logger.info("stopped", extra={"cut_off": left})

    def _listener(self, service: EngineService) -> Listener:
        api = build_api(service, self._settings)
        app = wrap(
            api,
            self._settings,
            ring=self._ring,
            metrics=self._metrics,
            tracing=self._tracing,
            routes=routes_of(api),
        )
        listener = Listener(app, self._settings.limits, refused=self._metrics.refused)
        self._metrics.watch_connections(lambda: listener.connections)
        self._metrics.watch_engine_memory(lambda: service.engine_pid)
        self._metrics.engine(service.ready)
        return listener

    def _on_stop(self) -> None:
        if self._stop.is_set():
            logger.warning("stopping at once: a second signal came")
            self._hurry.set()
        self._stop.set()

    def _reload(self) -> None:
        """Read keys and certificate again; what cannot be read stays as it was."""
        try:
            self._ring.reload()
            if self._context is not None:
                load_certificate(self._context, self._settings)
        except ResiftError as error:
            logger.error("keys and certificate were not read again: %s", error)
        else:
            logger.info("keys and certificate were read again", extra={"api_keys": len(self._ring)})


def routes_of(api: FastAPI) -> set[str]:
    """Return the paths of an application: what may stand in a metric."""
    return {route.path for route in api.routes if isinstance(route, Route)}


@contextlib.contextmanager
def _signals(stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Let signals of this process call back on the running loop; none of a loop that is not in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    actions = {"SIGINT": stop, "SIGTERM": stop, "SIGBREAK": stop, "SIGHUP": reload}
    before = {}
    for name, action in actions.items():
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.getsignal(number)
            try:
                loop.add_signal_handler(number, action)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_, action=action: loop.call_soon_threadsafe(action))
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, before anything is loaded; raises InputError."""
    if not 0 <= port <= 65535:
        raise InputError(f"cannot listen on port {port}: ports end at 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"cannot listen on {host} port {port}: {error}", hint=_elsewhere(error)) from error
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise InputError(f"cannot listen on {host} port {port}: {error.strerror}", hint=_elsewhere(error)) from error
    return bound


def _elsewhere(error: OSError) -> str:
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        return "--port N takes another one, --port 0 a free one"
    return "--host is an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all of its networks"


def open_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the context of the certificate, None without one; raises InputError."""
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Read the certificate and its key, for connections from now on; raises InputError."""
    assert settings.tls_cert is not None
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        key = "" if settings.tls_key is None else f" and the key {settings.tls_key}"
        reason = error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else error
        hint = "both are PEM files, the key has no password, and it belongs to the certificate"
        raise InputError(f"cannot use the certificate {settings.tls_cert}{key}: {reason}", hint=hint) from error


def raise_file_limit() -> None:
    """Allow as many open files, and so connections, as the system lets us."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS does not take "unlimited"
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

"""The listening socket: takes connections, and ends them in good order."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from resift.server.edges.protocol import EdgeProtocol
from resift.server.settings import Limits

BACKLOG = 4096
FAREWELL_SECONDS = 0.5
"""How long requests whose connection was cut off have to end by themselves."""


class Listener:
    """Connections to one socket, all answered by one ASGI application. Belongs to the running event loop.

    `refused` is told why a connection or a request was turned away below the application.
    """

    def __init__(self, app: ASGIApp, limits: Limits, *, refused: Callable[[str], None]) -> None:
        self._limits = limits
        self._refused = refused
        self._config = Config(
            app,
            interface="asgi3",
            http=EdgeProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.AbstractServer | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    async def start(self, listening: socket.socket, context: ssl.SSLContext | None = None) -> None:
        """Take connections from a bound socket."""
        loop = asyncio.get_running_loop()
        self._tick()
        handshake = self._limits.header_seconds if context is not None else None
        self._server = await loop.create_server(
            self._connect, sock=listening, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=handshake
        )

    def _connect(self) -> EdgeProtocol:
        return EdgeProtocol(
            self._config, self._state, limits=self._limits, refused=self._refused, gone=self._changed.set
        )

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)

    def stop(self) -> None:
        """Take no more connections; close the idle ones now, the others after the answer that is due."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()

    async def settle(self, seconds: float, *, hurry: asyncio.Event) -> int:
        """Wait until all connections are closed; return how many are not after `seconds`, or once `hurry` is set."""
        hurried: asyncio.Task[bool] = asyncio.create_task(hurry.wait())
        changed: asyncio.Task[bool] | None = None
        try:
            async with asyncio.timeout(seconds):
                while self._state.connections and not hurried.done():
                    self._changed.clear()
                    changed = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({hurried, changed}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        finally:
            hurried.cancel()
            if changed is not None:
                changed.cancel()
        return len(self._state.connections)

    async def close(self) -> None:
        """Cut off what is left."""
        self.stop()
        tasks = list(self._state.tasks)
        for connection in list(self._state.connections):
            connection.transport.abort()
        if tasks:  # they are told that their clients are gone; who is cancelled in the middle is logged as a defect
            await asyncio.wait(tasks, timeout=FAREWELL_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._clock is not None:
            self._clock.cancel()
        if self._server is not None:
            await self._server.wait_closed()

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


class Listener:
    """Connections to one socket, all answered by one ASGI application. Belongs to the running event loop.

    `refused` is told why a connection or a request was turned away below the application.
    """

    def __init__(self, app: ASGIApp, limits: Limits, *, refused: Callable[[str], None]) -> None:
        self._limits = limits
        self._refused = refused
        self._config = Config(
            app,  # type: ignore[arg-type]
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

    async def drain(self, seconds: float, *, hurry: asyncio.Event) -> int:
        """Stop taking connections, let requests in work end, close; return how many requests were cut off.

        What is not done after `seconds`, or when `hurry` is set, is cut off.
        """
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        hurried = asyncio.ensure_future(hurry.wait())
        try:
            async with asyncio.timeout(seconds):
                while self._state.connections and not hurried.done():
                    self._changed.clear()
                    changed = asyncio.ensure_future(self._changed.wait())
                    await asyncio.wait({hurried, changed}, return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
        except TimeoutError:
            pass
        hurried.cancel()
        return await self._cut()

    async def _cut(self) -> int:
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._clock is not None:
            self._clock.cancel()
        if self._server is not None:
            await self._server.wait_closed()
        return len(tasks)

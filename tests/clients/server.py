"""A running server: uvicorn in a thread of its own, on a port that was free."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from resift.server.api import build_api
from resift.server.service import open_service
from resift.server.settings import Limits, ModelSettings, Settings

SETTINGS = Settings(
    models=(ModelSettings(name="embedded"),), any_model_name=True, threads=1, limits=Limits(max_documents=64)
)


@contextmanager
def running(settings: Settings = SETTINGS) -> Iterator[str]:
    """Serve the embedded model; yields the base URL."""
    service = open_service(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    up = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            up.set()

    server = Server(uvicorn.Config(build_api(service, settings), log_level="warning", lifespan="off"))

    async def serve() -> None:
        async with service:
            await server.serve([listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert up.wait(60), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)

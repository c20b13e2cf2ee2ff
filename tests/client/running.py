"""The real server in a thread: routes, service, engine process, behind uvicorn on a free port."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from resift.server.api import build_api
from resift.server.service import open_service
from resift.server.settings import Limits, ModelSettings, Settings


@contextmanager
def running(
    checkpoint: Path,
    *,
    max_documents: int = 2048,
    any_model_name: bool = False,
    calibration: Path | None = None,
    scores: str = "sigmoid",
) -> Iterator[str]:
    """Serve a checkpoint under the name `tiny`; yields the address."""
    model = ModelSettings(name="tiny", model=str(checkpoint), max_length=64, calibration=calibration, scores=scores)
    limits = Limits(max_documents=max_documents)
    settings = Settings(models=(model,), threads=1, limits=limits, any_model_name=any_model_name)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as door:
        service = open_service(settings)
        config = uvicorn.Config(build_api(service, settings), log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)

        async def serve() -> None:
            async with service:
                await server.serve(sockets=[door])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"  # what comes before it listens waits in the backlog
        finally:
            server.should_exit = True
            thread.join(60)
            service_is_gone = not thread.is_alive()
    assert service_is_gone

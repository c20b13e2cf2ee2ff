"""The same calls on a reranker, a client and an asynchronous client, so that one test asks all of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from resift import AsyncClient, Client


class Awaited:
    """An `AsyncClient` whose calls are waited for, each in an event loop of its own."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = options

    def with_options(self, **options: Any) -> "Awaited":
        return Awaited(self._url, **self._options | options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return asyncio.run(self._call(name, *args, **kwargs))

        return call

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async with AsyncClient(self._url, **self._options) as client:
            return await getattr(client, name)(*args, **kwargs)


def callers(server: Callable[[httpx.Request], httpx.Response], **options: Any) -> dict[str, Any]:
    """Return a client of each kind that asks `server`, by name."""
    transport = httpx.MockTransport(server)
    return {
        "Client": Client("http://server", transport=transport, **options),
        "AsyncClient": Awaited("http://server", transport=transport, **options),
    }

"""The two shells around httpx that run the programs of `calls.py`: one blocks, the other awaits."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from resift.client.calls import Program, Send, Wait
from resift.client.replies import Reply
from resift.errors import EngineClosed, InputError, ServerError, TimedOut, Unavailable

T = TypeVar("T")

_CONNECT_SECONDS = 5.0
"""That one try to connect may take: a machine that is gone does not refuse, it says nothing."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and how to speak to it.

    Attributes:
        url: scheme, host and port, and a path before the routes' where a gateway has one.
        headers: sent with every request.
        ca_file: certificates to trust instead of the machine's own.
        transport: what carries the requests instead of the network, for tests.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)  # the API key is among them
    ca_file: str | Path | None = None
    transport: Any = None

    def options(self) -> dict[str, Any]:
        """Return the arguments of an httpx client; raises InputError for an address that is none."""
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise InputError(f"the url is {self.url!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(f"the url is '{url.copy_with(userinfo=b'')}', expected http:// or https:// and a host")
        # SDKs are given the address with /v1: the routes of ours have it already.
        path = url.path.rstrip("/").removesuffix("/v1")
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file is not None else True
        return {
            "base_url": url.copy_with(path=f"{path}/"),
            "headers": dict(self.headers),
            "verify": context,
            "transport": self.transport,
        }


class Blocking:
    """Runs programs and waits for them. Safe from many threads, which share the connections."""

    def __init__(self, address: Address) -> None:
        self._http = httpx.Client(**address.options())

    def run(self, program: Program[T]) -> T:
        """Return what the program returns."""
        try:
            step = next(program)
            while True:
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    step = program.send(None)
                    continue
                try:
                    reply = self._send(step)
                except ServerError as error:
                    step = program.throw(error)
                else:
                    step = program.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, step: Send) -> Reply:
        """Send and read within the time that is left: httpx's own timeouts are of each read, not of all."""
        _check(self._http.is_closed)
        end = None if step.timeout is None else time.monotonic() + step.timeout
        try:
            response = self._http.send(_request(self._http, step), stream=True)
            try:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if end is not None and time.monotonic() > end:
                        raise _late(step)
                return Reply(response.status_code, response.headers, bytes(body))
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise _lost(error, step, self._http.base_url) from error


class Awaiting:
    """Runs programs in an event loop. Cancelling one closes its connection, and the server drops its work."""

    def __init__(self, address: Address) -> None:
        self._http = httpx.AsyncClient(**address.options())

    async def run(self, program: Program[T]) -> T:
        """Return what the program returns."""
        try:
            step = next(program)
            while True:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    step = program.send(None)
                    continue
                try:
                    reply = await self._send(step)
                except ServerError as error:
                    step = program.throw(error)
                else:
                    step = program.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, step: Send) -> Reply:
        _check(self._http.is_closed)
        try:
            async with asyncio.timeout(step.timeout):
                response = await self._http.send(_request(self._http, step))
        except httpx.HTTPError as error:
            raise _lost(error, step, self._http.base_url) from error
        except TimeoutError:
            raise _late(step) from None
        return Reply(response.status_code, response.headers, response.content)


def _check(closed: bool) -> None:
    if closed:
        raise EngineClosed("the client was closed and is used again")


def _request(http: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    if step.timeout is not None and step.timeout <= 0:
        raise _late(step)
    connect = _CONNECT_SECONDS if step.timeout is None else min(step.timeout, _CONNECT_SECONDS)
    body = step.request.body
    return http.build_request(
        step.request.method,
        step.request.path,
        content=body,
        headers={} if body is None else {"Content-Type": "application/json"},
        timeout=httpx.Timeout(step.timeout, connect=connect),
    )


def _late(step: Send) -> TimedOut:
    return TimedOut(
        f"{step.request.method} {step.request.path} had no answer before the timeout",
        hint="give timeout= more seconds, or deadline_ms= to take the best order known by then",
    )


def _lost(error: httpx.HTTPError, step: Send, url: httpx.URL) -> ServerError:
    """Return what an error of the network means to the caller; a password in the address is not repeated."""
    url = url.copy_with(userinfo=b"")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ServerError(f"the certificate of {url} is not trusted: {error}", hint="name its authority with ca_file=")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unavailable(f"no connection to {url}: {error}", hint="start a server there: resift serve")
    if isinstance(error, httpx.TimeoutException):
        return _late(step)
    return ServerError(
        f"{step.request.method} {step.request.path}: the connection to {url} broke before the answer was there: "
        f"{type(error).__name__} {error}"
    )

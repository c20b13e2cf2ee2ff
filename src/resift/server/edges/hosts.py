"""The Host header: a page in a browser that has renamed itself to a local address is not to reach a local server."""

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from resift.server.edges.answers import refuse
from resift.server.errors import BadRequest


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine alone."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return bool(ipaddress.ip_address(name).is_loopback)
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Return a Host header without its port, in lower case."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


class Hosts:
    """Answers to the host names that are allowed; on a loopback address, unless told, to local ones."""

    def __init__(self, app: ASGIApp, *, listening: str, allowed: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(host_name(name) for name in allowed)
        self._all = "*" in allowed or (not allowed and not is_loopback(listening))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http" or self._all or self._fits(scope):
            await self._app(scope, receive, send)
            return
        await refuse(
            scope,
            receive,
            send,
            BadRequest("this server does not answer to this Host name", hint="--allowed-hosts NAME makes it do so"),
        )

    def _fits(self, scope: Scope) -> bool:
        names: list[str] = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not names:
            return bool(scope["http_version"] == "1.0")
        name = host_name(names[0])
        return len(names) == 1 and (name in self._allowed or is_loopback(name))

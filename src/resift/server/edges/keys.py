"""API keys: known by their hashes, compared in constant time, read again on a signal."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from resift.errors import InputError
from resift.server.edges.answers import refuse
from resift.server.errors import Unauthorized
from resift.server.settings import Settings

COMMENT = re.compile(r"(^|\s)#.*")
"""In a file of keys. A # within a key is part of it."""
PROBES = frozenset({"/metrics", "/health", "/ready"})
PAGES = frozenset({"/", "/favicon.ico", "/docs", "/openapi.json"})
PLAYGROUND = "/playground/"
"""What a browser opens by address, where it can send no key. The page asks for the key and sends it with its calls."""


class KeyRing:
    """The keys that are let in. None at all lets everybody in."""

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        self._own = [_digest(key.encode()) for key in keys]
        self._file = file
        self._known = self._own + self._read()

    def __len__(self) -> int:
        return len(self._known)

    def reload(self) -> None:
        """Read the file again. Raises InputError, and keeps the keys, when it cannot be read or has none."""
        self._known = self._own + self._read()

    def knows(self, key: bytes) -> bool:
        """Compare with every key, in a time that does not depend on which one fits or how far."""
        given = _digest(key)
        found = False
        for known in self._known:
            found |= hmac.compare_digest(given, known)
        return found

    def _read(self) -> list[bytes]:
        if self._file is None:
            return []
        try:
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "api_keys_file names a text file, one key a line"
            raise InputError(f"cannot read the file of API keys {self._file}: {reason}", hint=hint) from error
        keys = [key for line in lines if (key := COMMENT.sub("", line).strip())]
        if not keys:  # a server that was meant to be closed is not to stand open
            raise InputError(f"there is no API key in {self._file}", hint="one key a line")
        return [_digest(key.encode()) for key in keys]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Keys:
    """Answers 401 to requests without a known key, where there are keys."""

    def __init__(self, app: ASGIApp, ring: KeyRing, settings: Settings) -> None:
        self._app = app
        self._ring = ring
        self._open = PAGES if settings.key_for_probes else PAGES | PROBES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http" or not self._ring or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        given = _given(scope)
        if any([self._ring.knows(key) for key in given]):  # noqa: C419 - all of them are compared
            await self._app(scope, receive, send)
            return
        message = "the API key is not known" if given else "an API key is needed"
        hint = "send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
        await refuse(scope, receive, send, Unauthorized(message, hint=None if given else hint))

    def _is_open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return scope["method"] in {"GET", "HEAD"} and (path in self._open or path.startswith(PLAYGROUND))


def _given(scope: Scope) -> list[bytes]:
    keys = []
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            keys.append(value[7:].strip())
        elif name == b"x-api-key":
            keys.append(value.strip())
    return keys[:2]

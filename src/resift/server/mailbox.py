"""Calls from other threads to the event loop: one wake-up for all that came together."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

_Call = tuple[Callable[..., None], tuple[Any, ...]]


class Mailbox:
    """Runs calls on the loop's thread, in the order in which they were posted. `post` is safe from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._calls: list[_Call] = []

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Queue a call. After the loop was closed nothing happens: nobody waits there."""
        with self._lock:
            self._calls.append((call, arguments))
            if len(self._calls) > 1:
                return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
        for call, arguments in calls:
            try:
                call(*arguments)
            except Exception as error:  # a defect in one request's call must not lose those of the others
                self._loop.call_exception_handler({"message": "a call from another thread failed", "exception": error})

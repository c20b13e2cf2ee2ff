"""The playground on a real port behind the real edge, over a service whose scores can be checked by eye."""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resift.server.api import build_api
from resift.server.drift import DriftWatch
from resift.server.edges.keys import KeyRing
from resift.server.edges.listener import Listener
from resift.server.edges.stack import wrap
from resift.server.edges.tracing import NoTracing
from resift.server.metrics import Metrics
from resift.server.run import bind, routes_of
from resift.server.settings import Limits, Settings
from tests.server.dialects.fake import FakeService

PATIENCE = 20.0
"""Seconds after which a test that waits has failed: never part of what is tested."""


@dataclass
class Site:
    """A running server."""

    port: int
    service: FakeService
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def hold(self) -> Callable[[], None]:
        """Let requests wait; return what lets them go on."""
        event = asyncio.Event()
        self.service.waits = event
        return lambda: (self.loop.call_soon_threadsafe(event.set), setattr(self.service, "waits", None))[1]


@contextlib.contextmanager
def serve(settings: Settings) -> Iterator[Site]:
    """Run the server on a free port, in a thread."""
    started: list[Site] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        service = FakeService()
        api = build_api(service, settings)
        ring, metrics = KeyRing(settings.api_keys), Metrics(DriftWatch(settings.drift_scores))
        app = wrap(api, settings, ring=ring, metrics=metrics, tracing=NoTracing(), routes=routes_of(api))
        listener = Listener(app, settings.limits, refused=metrics.refused)
        with contextlib.closing(bind("127.0.0.1", 0)) as listening:
            await listener.start(listening, None)
            started.append(Site(listening.getsockname()[1], service, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()
            await listener.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve(Settings(limits=Limits(max_documents=50))) as running:
        yield running


@pytest.fixture
def locked() -> Iterator[Site]:
    with serve(Settings(api_keys=("secret-key",))) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium: that of RESIFT_CHROMIUM, of the machine, or of playwright itself."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
    with playwright.sync_playwright() as tools:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = os.environ.get("RESIFT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
        path = path or tools.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(f"no Chromium: none of {', '.join(names)} is there, nor {path}; or set RESIFT_CHROMIUM")
        # Chromium cannot build its sandbox as root or in most containers; the pages here are our own.
        running = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@dataclass
class Visit:
    """An open page, what it said on the console, and where it sent requests."""

    page: Any
    said: list[str]
    asked: list[str]

    def fill(self, query: str, documents: str) -> None:
        self.page.locator("#query").fill(query)
        self.page.locator("#documents").fill(documents)

    def rank(self, query: str, documents: str) -> None:
        self.fill(query, documents)
        with self.page.expect_response("**/v1/rerank"):
            self.page.locator("#rank").click()
        self.page.locator("#results[aria-busy=false]").wait_for()

    def after(self) -> list[str]:
        return self.page.locator("#after .result .text").all_text_contents()

    def wait_live(self, text: str) -> None:
        self.page.locator("#live", has_text=text).wait_for(state="attached")


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Open pages; at the end none may have said an error, or asked anybody but the server."""
    opened: list[tuple[Visit, str, bool]] = []

    def go(url: str, *, errors: bool = False, **options: Any) -> Visit:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        found = Visit(page, [], [])
        page.on("console", lambda message: found.said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: found.said.append(str(error)))
        page.on("request", lambda request: found.asked.append(request.url))
        opened.append((found, url, errors))
        page.goto(url)
        page.locator("#ready[data-state]").wait_for(state="attached")
        return found

    yield go
    for found, url, errors in opened:
        found.page.context.close()
        origin = "/".join(url.split("/")[:3]) + "/"
        assert [asked for asked in found.asked if not asked.startswith((origin, "data:"))] == []
        assert errors or found.said == []

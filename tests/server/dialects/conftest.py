import asyncio
from collections.abc import Iterator

import httpx
import pytest

from resift.server.api import build_api
from resift.server.settings import Limits, Settings
from tests.server.dialects.fake import FakeService

SETTINGS = Settings(limits=Limits(max_documents=8))


class Client:
    """Calls the application in this process, on one event loop."""

    def __init__(self, service: FakeService, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(build_api(service, settings), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://resift")

    def get(self, path: str) -> httpx.Response:
        return self._runner.run(self._client.get(path))

    def post(self, path: str, body: object = None, **options: object) -> httpx.Response:
        options = options if "content" in options else options | {"json": body}
        return self._runner.run(self._client.post(path, **options))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture(scope="session")
def shared_service() -> FakeService:
    return FakeService()


@pytest.fixture(scope="session")
def shared_client(shared_service: FakeService) -> Iterator[Client]:
    """One application for all tests: to build it takes longer than to call it."""
    client = Client(shared_service, SETTINGS)
    yield client
    client.close()


@pytest.fixture
def service(shared_service: FakeService) -> Iterator[FakeService]:
    """The application's service, which is as new before and after."""
    vars(shared_service).update(vars(FakeService()))
    yield shared_service
    vars(shared_service).update(vars(FakeService()))


@pytest.fixture
def client(service: FakeService, shared_client: Client) -> Client:
    return shared_client

"""Each command of docs/server-api.md, run against the application with the embedded model, gives what it shows."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from resift.loading.source import EMBEDDED_FOLDER
from resift.server.api import ENDPOINTS, build_api
from resift.server.service import open_service
from resift.server.settings import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "server-api.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = re.findall(r"^```bash\n(curl .*?)^```\n(?:\n^```json\n(.*?)^```\n)?", TEXT, re.DOTALL | re.MULTILINE)
VARYING = {"id", "created", "kernel", "version", "timings"}


def calls(block: str) -> list[tuple[str, str, dict[str, str], str | None]]:
    """Return method, path, headers and body of each curl command of a block."""
    found = []
    for command in block.replace("\\\n", " ").strip().splitlines():
        words = shlex.split(command)
        headers = {}
        body = None
        for option, value in zip(words[2::2], words[3::2], strict=True):
            if option == "-H":
                name, _, text = value.partition(": ")
                headers[name] = text
            else:
                assert option == "-d"
                body = value
        path = words[1].removeprefix("http://127.0.0.1:8000")
        found.append(("GET" if body is None else "POST", path, headers, body))
    return found


def alike(shown: Any, given: Any) -> bool:
    """Whether an answer is the one that the page shows: scores to three places, as kernels differ in the last bits."""
    if isinstance(shown, dict):
        return set(shown) == set(given) and all(k in VARYING or alike(shown[k], given[k]) for k in shown)
    if isinstance(shown, list):
        return len(shown) == len(given) and all(map(alike, shown, given))
    if isinstance(shown, float):
        return given == pytest.approx(shown, abs=1e-3)
    return bool(shown == given)


async def answers() -> list[list[httpx.Response]]:
    settings = Settings(threads=1)
    async with open_service(settings) as service:
        transport = httpx.ASGITransport(build_api(service, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://resift") as client:
            return [
                [
                    await client.request(method, path, headers=headers, content=body)
                    for method, path, headers, body in calls(block)
                ]
                for block, _ in SHOWN
            ]


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
@pytest.mark.timeout(120)
def test_commands_give_what_the_page_shows() -> None:
    given = asyncio.run(answers())
    assert len(given) >= 12
    for (block, shown), responses in zip(SHOWN, given, strict=True):
        assert [response.status_code for response in responses] == [200] * len(responses), block
        if shown:
            assert alike(json.loads(shown), responses[-1].json()), (block, responses[-1].text)


def test_every_route_has_a_command_or_shares_one() -> None:
    called = {path for block, _ in SHOWN for _, path, _, _ in calls(block)}
    for endpoint in ENDPOINTS:
        assert called & set(endpoint.paths), endpoint.paths
        for path in endpoint.paths:
            assert f"`{path}`" in TEXT or f"POST {path}`" in TEXT or f"GET {path}`" in TEXT, path


def test_every_field_of_every_body_is_on_the_page() -> None:
    for endpoint in ENDPOINTS:
        for body in endpoint.bodies:
            missing = [name for name in body.model_fields if f"`{name}`" not in TEXT]
            assert missing == [], body.__name__

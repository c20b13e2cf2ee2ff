"""The code on the pages that needs a server, with a server."""

from pathlib import Path

import pytest

from resift import Reranker
from tests.calibrations import save_calibration
from tests.client.running import running
from tests.test_docs import PAGES, blocks, name

ADDRESS = "http://127.0.0.1:8000"
SERVED = [page for page in PAGES if blocks(page, "python server")]


def test_there_are_such_pages() -> None:
    assert {page.name for page in SERVED} >= {"serving.md", "README.md", "README.zh-CN.md"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", SERVED, ids=name)
def test_python_runs_with_a_server(
    page: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {"__name__": "page"}
    with Reranker(checkpoint, max_length=64) as reranker:
        save_calibration(reranker, tmp_path / "calibration.json")
    with running(checkpoint, calibration=tmp_path / "calibration.json") as url:
        for line, code in blocks(page, "python server"):
            assert ADDRESS in code
            exec(compile("\n" * (line - 1) + code.replace(ADDRESS, url), page, "exec"), names)
    assert capsys.readouterr().out.strip()

import json
from pathlib import Path

import pytest

from benchmarks.pages import PAGES, ROOT, filled
from tests.bench.test_report import make


def test_pages_hold_what_the_reports_say() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "<!-- table " in text
        assert filled(text, ROOT) == text, f"{page.name} is not what the reports say: python -m benchmarks.pages"


def test_a_table_is_written_between_its_marks(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(make()))
    end = "<!-- end -->\n"
    text = f"before\n<!-- table report.json given -->\nold\n{end}after\n<!-- table none.json rag -->\n{end}"
    new = filled(text, tmp_path)
    assert new.startswith("before\n<!-- table report.json given -->\n") and "old" not in new
    assert "| resift-fp32 | fp32 | 30 |" in new and "\n<!-- end -->\nafter\n" in new
    assert "Not measured yet.\n<!-- end -->" in new
    assert filled(new, tmp_path) == new


def test_a_workload_that_was_not_measured(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(make()))
    with pytest.raises(SystemExit, match="no workload 'rag'"):
        filled("<!-- table report.json rag -->\n<!-- end -->\n", tmp_path)

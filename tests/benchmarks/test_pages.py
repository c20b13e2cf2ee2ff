import json
from pathlib import Path

import pytest

from benchmarks.pages import PAGES, ROOT, filled
from tests.bench.serve.test_report import make as make_serve
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


def test_tables_of_servers(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(make_serve(foreign=0.9)))
    end = "<!-- end -->\n"
    new = filled(f"<!-- table report.json ratios -->\n{end}<!-- table report.json closed-64 -->\n{end}", tmp_path)
    assert "over infinity-torch | 4.75 | at least 3 |" in new and "| resift-int8 | 38 |" in new
    assert new.count("NOT CLEAN") == 2 and filled(new, tmp_path) == new
    with pytest.raises(SystemExit, match="no table 'rag'"):
        filled("<!-- table report.json rag -->\n<!-- end -->\n", tmp_path)


def test_the_table_of_a_soak(tmp_path: Path) -> None:
    report = {
        "kind": "soak", "model": "a model", "environment": {"processor": "a processor"}, "minutes": 30.0,
        "statuses": {"200": 5, "503": 1}, "lost": {"Lost: x": 2}, "faults": {"worker killed": 3}, "scores_checked": 7,
        "scores_wrong": 1, "front_mb": {"first": 10.0, "last": 12.5}, "front_mb_per_hour": 0.5, "workers": 4,
        "worker_mb": None, "longest_worker_mb_per_hour": None,
    }  # fmt: skip
    (tmp_path / "soak.json").write_text(json.dumps(report))
    new = filled("<!-- table soak.json soak -->\n<!-- end -->\n", tmp_path)
    for row in (
        "| scores wrong | 1 |",
        "without an answer | 2 |",
        "5 with 200, 1 with 503",
        "10 half way, 12.5 at the end",
    ):
        assert row in new

"""Files of queries."""

from pathlib import Path

import pytest

from resift.cli.reading import BadLines
from resift.cli.search_queries import Query, read_queries
from resift.errors import InputError

TWO = [Query("a", "tea"), Query("b", "绿茶")]


@pytest.mark.parametrize(
    ("name", "text", "queries"),
    [
        ("q.txt", "tea\n\n 绿茶 \n", [Query("1", "tea"), Query("3", "绿茶")]),
        ("q.tsv", "a\ttea\nb\t绿茶\n", TWO),
        ("q.tsv", "id\tquery\na\ttea\nb\t绿茶\n", TWO),
        ("q.tsv", "text\tqid\ntea\ta\n绿茶\tb\n", TWO),
        ("q.tsv", "a\ttea\tand more\n", [Query("a", "tea")]),
        ("q.csv", 'id,question\na,tea\nb,"绿茶"\n', TWO),
        ("q.jsonl", '{"_id": "a", "text": "tea"}\n{"id": "b", "query": "绿茶", "text": "x"}\n', TWO),
        ("q.jsonl", '"tea"\n{"query": "绿茶"}\n', [Query("1", "tea"), Query("2", "绿茶")]),
    ],
)
def test_forms(tmp_path: Path, name: str, text: str, queries: list[Query]) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert read_queries(str(file), bad=BadLines(name)) == queries


@pytest.mark.parametrize("line", ['{"id": 1}', "[1]", '{"query": 3}'])
def test_lines_that_are_none(tmp_path: Path, line: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(f'{line}\n"tea"\n')
    with pytest.raises(InputError, match=r"q\.jsonl, line 1"):
        read_queries(str(file), bad=BadLines("q.jsonl"))
    bad = BadLines("q.jsonl", skip=True)
    assert read_queries(str(file), bad=bad) == [Query("2", "tea")]
    assert len(bad.skipped) == 1

"""Rows of files."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents.tables import read_table, table_kind
from resift.errors import InputError


def rows(path: Path, content: str | bytes, kind: str, **options) -> list[tuple[int, object]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    def bad(line: int, problem: str) -> None:
        raise InputError(f"{line}: {problem}")

    return [(row.line, row.value) for row in read_table(path, path.name, kind=kind, bad=bad, **options)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("A.NDJSON", "jsonl"),
        ("a.json", "json"),
        ("a.csv.gz", "csv"),
        ("a.tsv.xz", "tsv"),
        ("a.txt", None),
        ("a.gz", None),
        ("a.txt.gz", None),
    ],
)
def test_kinds(name: str, kind: str | None) -> None:
    assert table_kind(Path(name)) == kind


def test_json_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    content = '{"a": "x\u2028y"}\r\n\n"z"\n'
    assert rows(tmp_path / "a", content, "jsonl") == [(1, {"a": "x\u2028y"}), (3, "z")]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('\n [\n{"a": 1}\n,\n{"a": 2},\n]\n', [{"a": 1}, {"a": 2}]),
        ("[]", []),
        ("", []),
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("[12, 3]", [12, 3]),
    ],
)
def test_json_arrays(tmp_path: Path, content: str, values: list) -> None:
    assert [value for _, value in rows(tmp_path / "a", content, "json")] == values


@pytest.mark.parametrize("content", ['[{"a": 1}', '[{"a": 1} {"a": 2}]', '[{"a": ]', "[" * 100_000, '[{"a": 1},'])
def test_broken_json(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="element"):
        rows(tmp_path / "a", content, "json")


def test_a_large_array_is_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    elements = [{"id": number, "text": "x" * 3000} for number in range(4000)]  # 12 MB
    path.write_text(json.dumps(elements))
    tracemalloc.start()
    count = sum(1 for _ in read_table(path, "a.json", kind="json", bad=lambda *_: None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4000
    assert peak < 10_000_000


def test_csv(tmp_path: Path) -> None:
    content = '\ufeffid,text,price\r\n007,"two\nlines, ""quoted""",19.90\r\n\r\n8,,5\r\n'
    assert rows(tmp_path / "a", content, "csv") == [
        (3, {"id": "007", "text": 'two\nlines, "quoted"', "price": 19.9}),
        (5, {"id": 8, "text": None, "price": 5}),
    ]


def test_csv_of_other_spreadsheets(tmp_path: Path) -> None:
    expected = [(2, {"id": 1, "text": "a, b"})]
    assert rows(tmp_path / "a", "id;text\n1;a, b\n", "csv") == expected
    assert rows(tmp_path / "a", "id\ttext\n1\ta, b\n".encode("utf-16"), "csv") == expected
    assert rows(tmp_path / "a", "编号,名称\n1,我们的茶壶是在中国生产的\n".encode("gb18030"), "csv") == [
        (2, {"编号": 1, "名称": "我们的茶壶是在中国生产的"})
    ]


def test_tsv_has_no_quotes(tmp_path: Path) -> None:
    assert rows(tmp_path / "a", 'id\ttext\n1\t"one\n', "tsv") == [(2, {"id": 1, "text": '"one'})]


def test_tsv_without_a_header(tmp_path: Path) -> None:
    assert rows(tmp_path / "a", "0\tThe first.\n1\tThe second.\n", "tsv") == [
        (1, {"id": 0, "text": "The first."}),
        (2, {"id": 1, "text": "The second."}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1\n", "2: 1 columns, expected 2: a, b"),
        ("a,a\n1,2\n", "names a column twice"),
        ('a\n"x\n', "is a quote not closed"),
    ],
)
def test_broken_csv(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(tmp_path / "a", content, "csv")


def test_a_long_cell(tmp_path: Path) -> None:
    assert rows(tmp_path / "a", f"text\n{'x' * 200_000}\n", "csv") == [(2, {"text": "x" * 200_000})]


def test_a_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    content = ('{"text": "x"}\n' * 100_000).encode() + '{"text": "这是"}\n'.encode("gbk")
    with pytest.raises(InputError, match="line 100001: not UTF-8"):
        rows(tmp_path / "a", content, "jsonl")


def test_a_damaged_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        rows(tmp_path / "a.jsonl.gz", b"\x1f\x8b\x08\x00", "jsonl")


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=3), max_size=5
    ),
    st.integers(0, 3),
)
def test_any_array_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list, indent: int) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    assert [value for _, value in rows(path, json.dumps(values, indent=indent or None), "json")] == values

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli

PAIRS = [("abc", "abc"), ("abc", "xyz"), ("abc", 'ab, "a"\nb')]
SCORES = [1.0, 0.0, pytest.approx(2 / 3)]


def test_jsonl_keeps_order_and_fields(run_cli: RunCli) -> None:
    rows = [{"n": n, "query": query, "document": text, "more": [n]} for n, (query, text) in enumerate(PAIRS)]
    ran = run_cli("score", "-", stdin="\n".join(map(json.dumps, rows)).encode())
    assert ran.code == 0
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {**row, "score": score} for row, score in zip(rows, SCORES, strict=True)
    ]
    assert ran.err.startswith("scored 3 pairs of standard input (0 lines skipped, 0 pairs cut at 20 tokens): fake")


def test_pairs_as_lists(run_cli: RunCli) -> None:
    ran = run_cli("score", "-", stdin=b'["abc", "abc"]\n["abc", "xyz"]\n')
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {"query": "abc", "document": "abc", "score": 1.0},
        {"query": "abc", "document": "xyz", "score": 0.0},
    ]


def test_csv_in_csv_out(tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "pairs.csv"
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows([("id", "question", "answer"), *((7, *pair) for pair in PAIRS)])
    ran = run_cli("score", str(file), "--query-field", "question", "--document-field", "answer", "--score-field", "s")
    rows = list(csv.DictReader(io.StringIO(ran.out, newline="")))
    assert [(row["id"], row["question"], row["answer"]) for row in rows] == [("7", *pair) for pair in PAIRS]
    assert [float(row["s"]) for row in rows] == SCORES


def test_tsv_has_no_quoting(run_cli: RunCli) -> None:
    ran = run_cli("score", "-", "--input-format", "tsv", "--no-header", stdin=b'abc\t"abc\nabc\t""\n')
    assert ran.out == 'abc\t"abc\t1.0\nabc\t""\t0.0\n'
    ran = run_cli("score", "-", "--input-format", "tsv", stdin=b"query\tdocument\nabc\tabc\n")
    assert ran.out == "query\tdocument\tscore\nabc\tabc\t1.0\n"


def test_csv_in_jsonl_out(run_cli: RunCli) -> None:
    ran = run_cli("score", "-", "--input-format", "csv", "--format", "jsonl", stdin=b"query,document\nabc,abc\n")
    assert json.loads(ran.out) == {"query": "abc", "document": "abc", "score": 1.0}


def test_documents_with_fields(run_cli: RunCli) -> None:
    line = b'{"query": "abc", "document": {"title": "abc", "body": "xyz"}}'
    for argv, score in ((["--template", "{title}"], 1.0), (["--text-field", "body"], 0.0), ([], 1.0)):
        answer = json.loads(run_cli("score", "-", *argv, stdin=line).out)
        assert answer == {**json.loads(line), "score": score}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv"])
def test_nothing_in_nothing_out(kind: str, content: bytes, run_cli: RunCli) -> None:
    ran = run_cli("score", "-", "--input-format", kind, stdin=content)
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"text"', "expected"),
        ('["a", "b", "c"]', "expected"),
        ('{"query": "a"}', "no field 'document'; there are: query"),
        ('{"document": "a"}', "no field 'query'"),
        ('{"query": 1, "document": "a"}', "the field 'query' is not a text"),
        ('{"query": "a", "document": null}', "the document is neither"),
        ('{"query": "a", "document": "b", "score": 1}', "there is a field 'score' already"),
    ],
)
def test_bad_lines_are_named_or_left_out(line: str, problem: str, run_cli: RunCli) -> None:
    stdin = f'["abc", "abc"]\n{line}\n["abc", "xyz"]\n'.encode()
    ran = run_cli("score", "-", stdin=stdin)
    assert ran.code == 2
    assert ran.err.startswith(f"error: standard input, line 2: {problem}")
    assert not ran.out
    ran = run_cli("score", "-", "--skip-bad", stdin=stdin)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 2
    assert f"skipped: standard input, line 2: {problem}" in ran.err
    assert "(1 lines skipped" in ran.err


def test_txt_is_refused(run_cli: RunCli) -> None:
    ran = run_cli("score", "pairs.txt")
    assert ran.code == 2
    assert "a pair is two texts" in ran.err


def test_cut_pairs_are_counted(run_cli: RunCli) -> None:
    ran = run_cli("score", "-", stdin=json.dumps(["a", "b" * 30]).encode())
    assert "1 pairs cut at 20 tokens" in ran.err

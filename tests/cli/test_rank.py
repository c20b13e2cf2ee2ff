import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.conftest import RunCli

DOCUMENTS = ["aaa", "abc", "xyz", "ab"]
"""For the query `abc` the fake reranker orders them 1, 3, 0, 2."""
ORDER = [1, 3, 0, 2]


def indices(out: str) -> list[int]:
    return [result["index"] for result in json.loads(out)["results"]]


def test_documents_from_arguments(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", *DOCUMENTS, "--format", "jsonl")
    assert ran.code == 0
    assert indices(ran.out) == ORDER
    assert not ran.err


def test_options_may_stand_between_documents(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", "--top-k", "2", "aaa", "--format=jsonl", "abc", "xyz", "ab")
    assert indices(ran.out) == ORDER[:2]
    dashes = run_cli("rank", "--format=jsonl", "--", "-abc", "-a", "--help")
    assert [result["document"] for result in json.loads(dashes.out)["results"]] == ["-a", "--help"]


def test_the_json_says_what_a_score_depends_on(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", "abc", "a" * 50, "--format", "json", "--scores", "sigmoid")
    answer = json.loads(ran.out)
    assert {
        "model": "fake",
        "precision": "fp32",
        "scores": "sigmoid",
        "truncation": "flag",
        "max_length": 20,
    }.items() <= (answer["info"].items())
    (ranking,) = answer["rankings"]
    assert ranking["query"] == "abc"
    assert ranking["results"][0] == {"index": 0, "score": 1.0, "document": "abc", "truncated": False}
    assert ranking["results"][1]["truncated"] is True


def test_the_winning_window_is_shown(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", "0123456789", "--format", "jsonl", "--windows=8", "--overlap", "2")
    (result,) = json.loads(ran.out)["results"]
    assert result["window"] == {"index": 1, "count": 3, "start": 2, "end": 6, "score": 0.0}
    assert "[window 2 of 3] 2345" in run_cli("rank", "abc", "0123456789", "--windows").out


def test_windows_before_a_document_explain_themselves(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", "--windows", "a document")
    assert ran.code == 2
    assert "--windows=SIZE" in ran.err
    assert run_cli("rank", "abc", "ab", "--overlap", "3").code == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "aaa\nabc\n\nxyz\nab\n"),
        ("bom.txt", "\ufeffaaa\r\nabc\r\nxyz\r\nab"),
        ("a.jsonl", '"aaa"\n{"text": "abc"}\n"xyz"\n\n"ab"\n'),
        ("a.csv", 'text\n"aaa"\nabc\nxyz\nab\n'),
        ("a.tsv", "text\tn\naaa\t1\nabc\t2\nxyz\t3\nab\t4\n"),
    ],
)
def test_documents_from_files(name: str, content: str, tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8", newline="")
    assert indices(run_cli("rank", "abc", "--documents", str(file), "--format", "jsonl").out) == ORDER


def test_utf16_files_are_read(tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "a.txt"
    file.write_text("aaa\nabc\nxyz\nab", encoding="utf-16")
    assert indices(run_cli("rank", "abc", "--documents", str(file), "--format", "jsonl").out) == ORDER


def test_documents_from_standard_input_and_arguments(run_cli: RunCli) -> None:
    ran = run_cli("rank", "abc", "aaa", "--documents", "-", "--format", "jsonl", stdin=b"abc\nxyz\nab\n")
    assert indices(ran.out) == ORDER
    ran = run_cli("rank", "abc", "--documents=-", "--input-format=jsonl", "--format=jsonl", stdin=b'"abc"\n')
    assert indices(ran.out) == [0]


def test_unicode_line_separators_stay_inside_a_document(run_cli: RunCli) -> None:
    ran = run_cli("rank", "q", "--documents", "-", "--format", "jsonl", stdin="a\u2028b\x0bc\n".encode())
    assert [result["document"] for result in json.loads(ran.out)["results"]] == ["a\u2028b\x0bc"]


def test_csv_fields_hold_quotes_and_lines(tmp_path: Path, run_cli: RunCli) -> None:
    file = tmp_path / "a.csv"
    file.write_text('title,text\n"a ""b""","one\ntwo, three"\n' + f'"long","{"x" * 200_000}"\n', encoding="utf-8")
    ran = run_cli("rank", "q", "--documents", str(file), "--format", "jsonl")
    first, second = (result["document"] for result in json.loads(ran.out)["results"])
    assert first == {"title": 'a "b"', "text": "one\ntwo, three"}
    assert len(second["text"]) == 200_000


def test_template_and_text_field(run_cli: RunCli) -> None:
    lines = b'{"title": "abc", "body": "xyz"}\n{"title": "xyz", "body": "abc"}\n'
    for argv, best in ((["--template", r"{title}\n"], 0), (["--text-field", "body"], 1)):
        ran = run_cli("rank", "abc", "--documents=-", "--input-format=jsonl", "--format=jsonl", *argv, stdin=lines)
        results = json.loads(ran.out)["results"]
        assert results[0]["index"] == best
        assert results[0]["document"] == json.loads(lines.splitlines()[best])


def test_many_queries_keep_ids_and_order(run_cli: RunCli) -> None:
    lines = [json.dumps({"id": n, "query": "abc", "documents": DOCUMENTS[: n % 5]}) for n in range(100)]
    ran = run_cli("rank", "--input", "-", "--format", "jsonl", stdin="\n".join(lines).encode())
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(100))
    assert [len(answer["results"]) for answer in answers] == [n % 5 for n in range(100)]
    table = run_cli("rank", "--input", "-", stdin="\n".join(lines[:6]).encode()).out
    assert all(f"{n}: abc" in table for n in range(6))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ('{"documents": []}', "'query' is missing"),
        ('{"query": 3, "documents": []}', "'query' is missing or not a text"),
        ('{"query": "q"}', "'documents' is missing"),
        ('{"query": "q", "documents": "d"}', "'documents' is missing or not a list"),
        ('{"query": "q", "documents": ["d", null]}', "document 1: "),
        ('{"query": "q", "documents": [{"a": {"b": 1}}]}', "document 0: the field 'a' is a mapping"),
        ("[" * 100_000, "not usable JSON: nested too deeply"),
    ],
)
def test_bad_lines_are_named_or_left_out(line: str, problem: str, run_cli: RunCli) -> None:
    good = '{"query": "abc", "documents": ["abc"]}'
    stdin = f"{good}\n\n{line}\n{good}\n".encode()
    ran = run_cli("rank", "--input", "-", "--format", "jsonl", stdin=stdin)
    assert ran.code == 2
    assert ran.err.startswith(f"error: standard input, line 3: {problem}")
    assert "hint: correct the line" in ran.err
    assert not ran.out
    ran = run_cli("rank", "--input", "-", "--format", "jsonl", "--skip-bad", stdin=stdin)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 2
    assert ran.err.startswith(f"skipped: standard input, line 3: {problem}")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rank"], "no query"),
        (["rank", "q"], "no documents"),
        (["rank", "q", "--input", "x.jsonl"], "--input brings its own queries"),
        (["rank", "--input", "x.csv"], "--input is JSON Lines"),
        (["rank", "q", "--documents", "nowhere.txt"], "nowhere.txt: No such file"),
        (["rank", "q", "--documents", "."], "the ending ''"),
        (["rank", "q", "--documents", "a.json"], "the ending '.json'"),
        (["rank", "q", "--documents", "x.txt", "--template", "{"], "the template"),
        (["rank", "q", "d", "--template", "{a}", "--text-field", "b"], "not allowed with"),
    ],
)
def test_what_does_not_go_together(argv: list[str], message: str, run_cli: RunCli) -> None:
    ran = run_cli(*argv)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert message in ran.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "gut\nM\xfcll\n".encode("latin-1"), "line 2: not UTF-8 text"),
        ("a.csv", b"a,a\n1,2\n", "names a column twice"),
        ("a.csv", b"a,b\n1,2\n1\n", "line 3: 1 columns, expected 2"),
        ("a.csv", b'a,b\n"1,2\n', "unexpected end of data"),
    ],
)
def test_unreadable_files(name: str, content: bytes, message: str, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / name).write_bytes(content)
    ran = run_cli("rank", "q", "--documents", str(tmp_path / name))
    assert ran.code == 2
    assert message in ran.err


def test_an_empty_file_gives_an_empty_ranking(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    for form in ("table", "json", "jsonl"):
        ran = run_cli("rank", "q", "--documents", str(tmp_path / "a.txt"), "--format", form)
        assert ran.code == 0
    assert json.loads(ran.out)["results"] == []


@pytest.mark.parametrize("columns", [20, 40, 80, 120])
def test_the_table_fits_and_its_columns_align(columns: int, run_cli: RunCli) -> None:
    documents = ["深度学习" * 40, "plain " * 60, "กำลัง" * 30, "tab\tand\nline", "\x1b[31mred\u202e"]
    ran = run_cli("rank", "深度 abc", *documents, columns=columns)
    lines = ran.out.splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    if columns >= 80:
        start = lines[1].index("text")
        rows = [re.match(r" +\d +-?\d\.\d{4} +\d  (?! )", line) for line in lines]
        assert [row.end() for row in rows if row] == [start] * len(documents)

import gzip
import lzma
from pathlib import Path

import pytest

from resift.errors import InputError
from resift.evaluation.trec import order, read_qrels, read_run, write_run


def test_qrels_of_trec_and_of_beir_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "trec").write_text("q1 0 d1 2\nq1\t0\td2\t0\n\nq2 0 d3 -1\n")
    (tmp_path / "beir.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td3\t-1\n")
    (tmp_path / "plain.tsv").write_bytes(b"\xef\xbb\xbfq1\td1\t2.0\r\nq1\td2\t0\r\nq2\td3\t-1\r\n")
    wanted = {"q1": {"d1": 2, "d2": 0}, "q2": {"d3": -1}}
    for name in ("trec", "beir.tsv", "plain.tsv"):
        assert read_qrels(tmp_path / name) == wanted


def test_an_id_with_a_space_between_tabs(tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text("q 1\td 1\t1\n")
    assert read_qrels(tmp_path / "qrels.tsv") == {"q 1": {"d 1": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q 0 d 1\nq 0 d2\n", "line 2: the grade 'd2'"),
        ("q 0 d 1\nq 0 d two\n", "line 2: the grade 'two'"),
        ("q 0 d 1.5\n", "line 1"),
        ("q 0 d 1 x y\n", "line 1: 6 columns"),
        ("q 0 d 1\nq 0 d 2\n", "line 2: document 'd' of query 'q' has another grade"),
        ("", "no judgements"),
    ],
)
def test_a_bad_qrels_line_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text(text)
    with pytest.raises(InputError, match=message):
        read_qrels(tmp_path / "qrels")


def test_a_run_is_ordered_by_score_then_line_and_not_by_its_ranks(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 b 9 0.5 t\nq Q0 a 1 0.5 t\nq Q0 c 2 7e-1 t\n")
    assert read_run(tmp_path / "run") == {"q": ["c", "b", "a"]}


@pytest.mark.parametrize("opener", [gzip.open, lzma.open])
def test_compressed_lists(opener: object, tmp_path: Path) -> None:
    file = tmp_path / ("c.tsv.gz" if opener is gzip.open else "c.tsv.xz")
    with opener(file, "wt") as stream:  # type: ignore[operator]
        stream.write("q1\td2 d1\nq2\t\n")
    assert read_run(file) == {"q1": ["d2", "d1"], "q2": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 d 1 x t\n", "line 1: the score 'x'"),
        ("q Q0 d 1 nan t\n", "line 1: the score 'nan'"),
        ("q Q0 d 1 1 t\nq Q0 d 2 0 t\n", "line 2: document 'd'"),
        ("q d 1\n", "line 1: 3 columns"),
        ("q\td d\n", "line 1: the list of query 'q' names a document twice"),
        ("q\td\nq\te\n", "line 2: query 'q' has a list"),
        ("q\td\np Q0 d 1 1 t\n", "some lines"),
        ("\n", "no rankings"),
    ],
)
def test_a_bad_run_line_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run").write_text(text)
    with pytest.raises(InputError, match=message):
        read_run(tmp_path / "run")


def test_damage_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"q 0 d 1\n" * 1000)
    (tmp_path / "cut.gz").write_bytes(whole[:-12])
    with pytest.raises(InputError, match=r"cut\.gz, line \d+: the compressed file is damaged or cut short"):
        read_qrels(tmp_path / "cut.gz")
    (tmp_path / "latin").write_bytes(b"q 0 d 1\nq 0 \xe9 1\n")
    with pytest.raises(InputError, match=r"latin, line 2: not UTF-8"):
        read_qrels(tmp_path / "latin")
    with pytest.raises(InputError, match="No such file"):
        read_qrels(tmp_path / "nowhere")


def test_both_rules_for_ties() -> None:
    scored = {"b": 1.0, "c": 2.0, "a": 1.0, "d": 1.0}
    assert order(scored) == ["c", "b", "a", "d"]
    assert order(scored, ties="docid") == ["c", "d", "b", "a"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = {"q2": ["b", "a", "c"], "q1": ["c"]}
    write_run(tmp_path / "run", run, tag="x")
    assert read_run(tmp_path / "run") == run
    with pytest.raises(InputError, match="space"):
        write_run(tmp_path / "run", {"q": ["a b"]})

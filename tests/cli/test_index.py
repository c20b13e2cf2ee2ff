"""`resift index`: folders that are made, brought up to date, and shown."""

import argparse
import json
from pathlib import Path

import pytest

from resift.cli import index
from resift.cli.main import build_parser
from resift.pipeline import Pipeline
from tests.cli.conftest import RunCli, open_fake

LIBRARY = Path(__file__).resolve().parents[2] / "examples" / "library"
SHOP = LIBRARY.parent / "outdoor.csv"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "index")


def documents(folder: str) -> dict[str, str]:
    with Pipeline(folder, reranker=False, writable=False) as pipeline:
        found = pipeline.search("tea coffee", rerank=False, top_k=100)
        return {hit.document: hit.text for hit in found}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    place = tmp_path / "notes"
    place.mkdir()
    (place / "a.md").write_text("# Tea\n\nGreen tea.", encoding="utf-8")
    (place / "b.txt").write_text("Black coffee.", encoding="utf-8")
    (place / "picture.png").write_bytes(b"\x89PNG")
    return place


def test_files_become_passages(run_cli: RunCli, folder: str) -> None:
    ran = run_cli("index", folder, str(LIBRARY))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{folder}: 10 added, 0 replaced, 0 unchanged, 0 deleted; ")
    for query, document in (
        ("借书最多几本", "zh/借阅规则.md"),
        ("متى تفتح المكتبة", "ar/المواعيد.md"),
        ("Fernleihe", "de/ausleihe.md"),
    ):
        found = json.loads(run_cli("search", folder, query, "--no-rerank", "--json").out)
        assert found["hits"][0]["document"] == document


def test_again(run_cli: RunCli, folder: str, notes: Path) -> None:
    first = run_cli("index", folder, str(notes))
    assert "2 added" in first.out and "files left out: 1 ending .png" in first.err
    (notes / "a.md").write_text("# Tea\n\nWhite tea.", encoding="utf-8")
    (notes / "b.txt").unlink()
    (notes / "c.txt").write_text("More tea.", encoding="utf-8")
    again = json.loads(run_cli("index", folder, str(notes), "--json").out)
    assert [again[name] for name in ("added", "replaced", "unchanged", "deleted", "skipped")] == [1, 1, 0, 0, []]
    assert set(documents(folder)) == {"a.md", "b.txt", "c.txt"} and "White" in documents(folder)["a.md"]
    synced = run_cli("index", folder, str(notes), "--sync")
    assert "0 added, 0 replaced, 2 unchanged, 1 deleted" in synced.out
    assert set(documents(folder)) == {"a.md", "c.txt"}
    gone = run_cli("index", folder, "--delete", "a.md", "never-there")
    assert gone.out == f"{folder}: 1 deleted\n" and gone.err == "not there: never-there\n"
    assert set(documents(folder)) == {"c.txt"}
    assert run_cli("index", folder, "--compact").out.endswith("passages forgotten\n")


def test_rows_of_standard_input(run_cli: RunCli, folder: str) -> None:
    rows = '{"id": "1", "text": "green tea"}\n\n{"id": "2", "text": "黑咖啡 coffee"}\n'.encode()
    assert "2 added" in run_cli("index", folder, "-", stdin=b"\xef\xbb\xbf" + rows).out
    assert documents(folder) == {"1": "green tea", "2": "黑咖啡 coffee"}
    broken = rows + b'{"id": \n[1]\n{"id": "3", "text": "tea"}\n'
    ran = run_cli("index", folder, "-", stdin=broken)
    assert ran.code == 2 and "standard input, line 4: not JSON" in ran.err and "--skip-bad" in ran.err
    skipped = run_cli("index", folder, "-", "--skip-bad", stdin=broken)
    assert "1 added, 0 replaced, 2 unchanged" in skipped.out and "2 skipped" in skipped.out
    assert "skipped: standard input, line 4" in skipped.err and "line 5" in skipped.err


def test_a_catalogue(run_cli: RunCli, folder: str) -> None:
    template = r"Title: {title}\nBrand: {brand}\n{description}"
    columns = ("--id-field", "sku", "--title-field", "title", "--template", template)
    assert "20 added" in run_cli("index", folder, str(SHOP), *columns).out
    assert "20 unchanged" in run_cli("index", folder, str(SHOP)).out  # the folder knows its columns
    found = json.loads(run_cli("search", folder, "帐篷 tent", "--no-rerank", "--json", "--where", "price<300").out)
    assert [hit["document"] for hit in found["hits"]][:1] == ["B-201"]
    assert found["hits"][0]["text"].startswith("Title: Tent Lee 2\nBrand: Fjell\n")
    info = json.loads(run_cli("index", folder, "--info", "--json").out)
    assert info["documents"] == 20 and info["columns"]["template"] == template.replace(r"\n", "\n")


def test_info_for_people(run_cli: RunCli, folder: str, notes: Path) -> None:
    run_cli("index", folder, str(notes), "--chunk-size", "500", "--text-field", "body")
    out = run_cli("index", folder, "--info").out
    assert "documents   2, in 2 passages" in out and "store       bm25: 2 passages" in out
    assert "up to 500 characters, 50 of them shared" in out and "rows        text: body" in out


def test_options_are_those_of_the_folder(run_cli: RunCli, folder: str, notes: Path) -> None:
    made = ("--chunk-size", "500", "--stores", "bm25", "--analyzer", "ngrams")
    assert run_cli("index", folder, str(notes), *made).code == 0
    assert run_cli("index", folder, str(notes), *made).code == 0
    for option, value in (
        ("--chunk-size", "600"),
        ("--stores", "bm25,faiss"),
        ("--template", "{a}"),
        ("--analyzer", "words"),
    ):
        ran = run_cli("index", folder, str(notes), option, value)
        assert ran.code == 2 and f"{option} is" in ran.err and "was made with" in ran.err


def test_nothing_is_deleted_while_something_cannot_be_read(run_cli: RunCli, folder: str, notes: Path) -> None:
    run_cli("index", folder, str(notes))
    (notes / "a.md").unlink()
    (notes / "rows.jsonl").write_text('{"id": 1, "text": "tea"}\n{broken\n', encoding="utf-8")
    stopped = run_cli("index", folder, str(notes), "--sync")
    assert stopped.code == 2 and "rows.jsonl, line 2" in stopped.err and "hint: correct it" in stopped.err
    ran = run_cli("index", folder, str(notes), "--sync", "--skip-bad")
    assert ran.code == 2 and "so nothing was deleted" in ran.err and "rows.jsonl" in ran.err
    assert set(documents(folder)) == {"a.md", "b.txt"}
    (notes / "rows.jsonl").write_text('{"id": 1, "text": "tea"}\n', encoding="utf-8")
    assert "1 deleted" in run_cli("index", folder, str(notes), "--sync").out


def test_a_folder_is_not_made_for_nothing(run_cli: RunCli, folder: str, notes: Path) -> None:
    for arguments in ((), ("--info",), ("--delete", "a"), ("--compact",)):
        ran = run_cli("index", folder, *arguments)
        assert ran.code == 2 and "holds no index" in ran.err
    assert "no such file" in run_cli("index", folder, str(notes), str(notes / "none")).err
    assert run_cli("index", folder, "-", stdin=b"{broken").code == 2
    assert run_cli("index", folder, str(notes), "--stores", "bm52").code == 2
    assert run_cli("index", folder, str(notes), "--weights", "bm25=x").code == 2
    assert not Path(folder).exists()
    assert run_cli("index", folder, str(notes)).code == 0
    assert "nothing to do" in run_cli("index", folder).err
    assert "--sync compares" in run_cli("index", folder, "--sync", "--info").err


def test_a_reader_that_goes_away_is_no_error(
    run_cli: RunCli, folder: str, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    run_cli("index", folder, str(notes))
    monkeypatch.setattr("resift.cli.output.write", gone)
    with pytest.raises(BrokenPipeError):  # main makes an exit code of it
        index.run(build_parser("index").parse_args([folder, "--info"]), open_fake)


def test_one_writer(run_cli: RunCli, folder: str, notes: Path) -> None:
    run_cli("index", folder, str(notes))
    with Pipeline(folder, reranker=False):
        ran = run_cli("index", folder, str(notes))
        assert ran.code == 1 and ran.err.startswith("error: ") and "Traceback" not in ran.err
        assert run_cli("index", folder, "--info").code == 0
        assert run_cli("search", folder, "tea").code == 0


def test_nothing_to_index_is_said(run_cli: RunCli, folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = run_cli("index", folder, str(tmp_path / "empty"))
    assert ran.code == 0 and f"warning: nothing to index in {tmp_path / 'empty'}" in ran.err
    assert "nothing to index" not in run_cli("index", folder, str(LIBRARY)).err


def test_a_broken_file_names_the_way_around_it(run_cli: RunCli, folder: str, notes: Path) -> None:
    pytest.importorskip("pypdf")
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4\nbroken")
    ran = run_cli("index", folder, str(notes))
    assert ran.code == 2 and "hint: repair it: qpdf in.pdf out.pdf; --skip-bad leaves out" in ran.err


@pytest.mark.parametrize(("done", "said"), [(0, "nothing was added"), (1, "what was added is kept")])
def test_an_interruption_says_what_is_kept(
    run_cli: RunCli, folder: str, notes: Path, monkeypatch: pytest.MonkeyPatch, done: int, said: str
) -> None:
    def interrupted(args: argparse.Namespace, pipeline: Pipeline, *, fresh: bool) -> None:
        if done:
            pipeline.add([{"id": "a", "text": "Green tea."}])
        raise KeyboardInterrupt

    monkeypatch.setattr(index, "_work", interrupted)
    ran = run_cli("index", folder, str(notes))
    assert ran.code == 130 and said in ran.err and Path(folder).exists() == bool(done)

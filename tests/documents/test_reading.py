"""Files and folders become documents."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from resift.documents import Columns, Document, read_documents
from resift.errors import InputError


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(*sources: Path, **options) -> tuple[dict[str, Document], list[str], list[tuple[str, str]]]:
    errors: list[str] = []
    skipped: list[tuple[str, str]] = []
    found = read_documents(
        sources,
        on_error=lambda error: errors.append(str(error)),
        on_skip=lambda path, reason: skipped.append((Path(path).name, reason)),
        **options,
    )
    documents = list(found)
    assert len({document.id for document in documents}) == len(documents)
    return {document.id: document for document in documents}, errors, skipped


def text(document: Document) -> str:
    return "\n\n".join(block.text for block in document.blocks)


def test_a_folder(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "docs",
        {
            "b.md": "# Title\n\nText.",
            "a/note.txt": "Plain.",
            "a/deep/rows.jsonl": '{"id": "r1", "text": "one"}\n{"text": "two"}\n',
            "shop.csv": "sku,name\n1,Mug\n",
            "package.json": '{"name": "x"}',
            ".git/config.txt": "hidden",
            "~$draft.docx": "lock",
            "node_modules/m/README.md": "generated",
            "photo.PNG": "x",
            "LICENSE": "x",
            "empty.md": "\n",
        },
    )
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / "self").symlink_to(folder / "self")
    documents, errors, skipped = read(folder)
    assert {id: text(document) for id, document in documents.items()} == {
        "b.md": "Text.",
        "a/note.txt": "Plain.",
        "r1": "one",
        "a/deep/rows.jsonl#2": "two",
        "shop.csv#2": "sku: 1",
    }
    assert documents["b.md"].title == "Title"
    assert documents["a/note.txt"].title == "note"
    assert documents["a/note.txt"].fields == {"path": "a/note.txt", "kind": "text"}
    assert documents["r1"].source.endswith("rows.jsonl:1")
    assert errors == []
    assert sorted(skipped) == [
        (".git", "hidden"),
        ("LICENSE", "no ending"),
        ("empty.md", "empty"),
        ("loop", "link"),
        ("node_modules", "hidden"),
        ("nowhere", "link"),
        ("package.json", "ending .json"),
        ("photo.PNG", "ending .png"),
        ("self", "link"),
        ("~$draft.docx", "hidden"),
    ]


def test_the_order_is_that_of_names(tmp_path: Path) -> None:
    write(tmp_path, {f"{name}.txt": name for name in ["c", "a", "b/z", "b/y", "B"]})
    assert list(read(tmp_path)[0]) == ["B.txt", "a.txt", "c.txt", "b/y.txt", "b/z.txt"]


def test_one_source_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "x"})
    assert [document.id for document in read_documents(tmp_path / "a.txt")] == ["a.txt"]
    assert [document.id for document in read_documents(str(tmp_path))] == ["a.txt"]


def test_files_of_the_same_name_in_two_sources(tmp_path: Path) -> None:
    write(tmp_path, {"one/README.md": "One.", "two/README.md": "Two.", "two/x.txt": "X"})
    documents, _, _ = read(tmp_path / "one", tmp_path / "two")
    assert list(documents) == ["README.md", "two/README.md", "x.txt"]
    documents, _, _ = read(tmp_path / "one/README.md", tmp_path / "two/README.md")
    assert list(documents) == ["README.md", "two/README.md"]


def test_the_same_id_twice_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"id": 1, "text": "x"}\n{"id": 2, "text": "x"}\n', "b.csv": "id,text\n2,y\n"})
    with pytest.raises(InputError, match=r"the id '2' is in .*a\.jsonl:2 and in .*b\.csv:2"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"the id 'a\.jsonl'|the id '1'"):
        read(tmp_path / "a.jsonl", tmp_path / "a.jsonl")


def test_sources_that_cannot_be_read_are_said_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "x", "a.png": "x"})
    with pytest.raises(InputError, match="no such file"):
        read_documents([tmp_path / "a.txt", tmp_path / "gone"])
    with pytest.raises(InputError, match=r"'\.png' are not read \(known are \.txt"):
        read_documents(tmp_path / "a.png")
    with pytest.raises(InputError, match="encoding"):
        read_documents(tmp_path, encoding="gbk2")


def test_broken_files_and_rows(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.jsonl": '{"text": "x"}\nnot json\n[1]\n{"text": {}}\n' + "[" * 100_000 + '\n{"text": "y"}\n',
            "b.txt": b"\x80\x81\x82",
            "c.csv": 'text\n"unclosed\n',
            "d.pdf": "not a pdf",
            "e.docx": "not a zip",
            "f.jsonl.gz": b"not gzip",
            "g.txt": "good",
        },
    )
    documents, errors, _ = read(tmp_path)
    assert sorted(documents) == ["a.jsonl#1", "a.jsonl#6", "g.txt"]
    named = [error.removeprefix(str(tmp_path) + "/").partition(": ")[0] for error in errors]
    assert named == [
        "a.jsonl, line 2",
        "a.jsonl:3",
        "a.jsonl:4",
        "a.jsonl, line 5",
        "b.txt, line 1",
        "c.csv, line 2",
        "d.pdf",
        "e.docx",
        "f.jsonl.gz",
    ]
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: not JSON"):
        list(read_documents(tmp_path))


def test_a_callback_may_raise_itself(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": "no\n"})

    def stop(error: InputError) -> None:
        raise RuntimeError(str(error))

    with pytest.raises(RuntimeError, match="line 1"):
        list(read_documents(tmp_path, on_error=stop))


def test_columns_and_encoding_reach_every_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.csv": "编号,正文\n1,你好\n".encode("gbk"),
            "b.jsonl": json.dumps({"编号": 2, "正文": "再见"}, ensure_ascii=False).encode("gbk"),
        },
    )
    documents, _, _ = read(tmp_path, columns=Columns(id="编号", text="正文"), encoding="gbk")
    assert {id: text(document) for id, document in documents.items()} == {"1": "你好", "2": "再见"}


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed_rows(tmp_path: Path, ending: str, pack) -> None:
    write(tmp_path, {f"corpus.jsonl.{ending}": pack(b'{"_id": "d1", "title": "T", "text": "x", "metadata": {}}\n')})
    documents, _, _ = read(tmp_path)
    assert (documents["d1"].title, text(documents["d1"])) == ("T", "x")


def test_rows_are_not_read_ahead(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"id": "1", "text": "x"}\nbroken\n'})
    reading = read_documents(tmp_path)
    assert next(reading).id == "1"
    with pytest.raises(InputError, match="line 2"):
        next(reading)


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    try:
        path.write_text("x")
    except (OSError, UnicodeError):
        pytest.skip("this file system has Unicode names only")
    documents, _, _ = read(tmp_path)
    assert list(documents) == ["caf\ufffd.txt"]

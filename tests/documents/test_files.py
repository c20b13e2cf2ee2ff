"""Kinds of files, and how large they may be."""

from pathlib import Path

import pytest

from resift.documents.files import is_document, read_file
from resift.errors import InputError


@pytest.mark.parametrize(
    ("name", "content", "kind", "title", "text"),
    [
        ("a.txt", "x\r\ny", "text", "a", "x\ny"),
        ("b.MD", "# T\n\nx", "markdown", "T", "x"),
        ("c.rst", "T\n===\n\nx", "rst", "T", "x"),
        ("d.htm", "<h1>T</h1>x", "html", "T", "x"),
        ("e.txt", "a\0b", None, None, None),
    ],
)
def test_kinds(tmp_path: Path, name: str, content: str, kind: str | None, title: str | None, text: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert is_document(path)
    if kind is None:
        with pytest.raises(InputError, match="NUL bytes"):
            read_file(path, id=name)
        return
    document = read_file(path, id=name)
    assert (document.fields["kind"], document.title, document.blocks[0].text) == (kind, title, text)
    assert (document.id, document.fields["path"], document.source) == (name, name, str(path))


def test_equal_contents_have_equal_digests(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# T\n\nx")
    (tmp_path / "b.md").write_text("# T\n\ny")
    first = read_file(tmp_path / "a.md", id="a.md")
    assert first.digest == read_file(tmp_path / "a.md", id="a.md").digest
    assert first.digest != read_file(tmp_path / "b.md", id="a.md").digest


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resift.documents.files.MOST_TEXT", 1 << 20)
    (tmp_path / "a.txt").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(InputError, match=r"a\.txt: larger than 1 MiB"):
        read_file(tmp_path / "a.txt", id="a")


def test_other_endings() -> None:
    assert not any(is_document(Path(name)) for name in ("a", "a.jsonl", "a.png", "txt"))

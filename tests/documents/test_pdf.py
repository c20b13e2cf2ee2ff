"""PDF files become sections with pages."""

from pathlib import Path

import pytest

from resift.documents.pdf import read_pdf
from resift.documents.records import Content
from resift.errors import InputError, MissingExtra
from tests.documents.pdfs import write_pdf

pytest.importorskip("pypdf", reason="needs the extra 'files'")
LINES = [
    "第一章 总则",
    "为了规范数据处理活动，保障数据安全，促进数据开发利用，保护个人、组",
    "织的合法权益，维护国家主权、安全和发展利益，制定本法。",
    "第二条 在中华人民共和国境内开展数据处理活动，适用本法。",
]


def read(path: Path) -> Content:
    return read_pdf(path, path.name)


def test_chinese(tmp_path: Path) -> None:
    content = read(write_pdf(tmp_path / "a.pdf", [LINES], title="数据安全法"))
    assert content.title == "数据安全法"
    assert content.fields == {"pages": 1}
    assert [(block.page, block.text) for block in content.blocks] == [
        (1, "\n".join([LINES[0], LINES[1] + LINES[2], LINES[3]]))
    ]


@pytest.mark.parametrize("encoding", ["GBK-EUC-H", "UniGB-UTF16-H"])
def test_the_encodings_of_chinese_fonts(tmp_path: Path, encoding: str) -> None:
    content = read(write_pdf(tmp_path / "a.pdf", [["你好，世界"]], encoding=encoding))
    assert [block.text for block in content.blocks] == ["你好，世界"]


def test_radicals_and_ligatures_are_letters(tmp_path: Path) -> None:
    content = read(write_pdf(tmp_path / "a.pdf", [["⼀个⽂件", "the ﬁrst ﬂoor"]]))
    assert content.blocks[0].text == "一个文件 the first floor"


def test_hyphens_at_line_ends(tmp_path: Path) -> None:
    lines = ["The whole of this docu-", "ment is about hyphen-", "ation, in well-known", "words."]
    content = read(write_pdf(tmp_path / "a.pdf", [lines]))
    assert content.blocks[0].text == "The whole of this document is about hyphenation, in well-known words."


def test_the_outline_gives_headings(tmp_path: Path) -> None:
    pages = [
        ["Before it.", "1 Intro-", "duction", "Some text."],
        ["More text.", "2 Methods", "We did it."],
        ["On a page of its own."],
    ]
    outline = [("1 Introduction", 1), ("Methods", 2), ("Unseen", 3)]
    content = read(
        write_pdf(
            tmp_path / "a.pdf",
            pages,
            outline=[(outline[0][0].replace("Introduction", "Intro-duction"), 1), *outline[1:]],
        )
    )
    assert [(block.page, block.headings, block.text) for block in content.blocks] == [
        (1, (), "Before it."),
        (1, ("1 Intro-duction",), "Some text."),
        (2, ("1 Intro-duction",), "More text."),
        (2, ("Methods",), "We did it."),
        (3, ("Unseen",), "On a page of its own."),
    ]


def test_headers_and_footers_are_left_out(tmp_path: Path) -> None:
    pages = [["Annual report 2023", f"Text of page {'abcdef'[page]}.", "More.", f"- {page + 3} -"] for page in range(6)]
    pages[0] = ["Annual report 2023", "Annual report 2023 is its title, too.", "x", "cover"]
    content = read(write_pdf(tmp_path / "a.pdf", pages))
    text = "\n".join(block.text for block in content.blocks)
    assert "Annual report 2023 is its title" in text
    assert text.count("Annual report 2023") == 1
    assert not any(f"- {page} -" in text for page in range(10))
    assert all(f"Text of page {letter}." in text for letter in "bcdef")


@pytest.mark.parametrize("title", ["Microsoft Word - report-final.docx", "untitled", "文档1", "paper.dvi"])
def test_titles_that_nobody_gave(tmp_path: Path, title: str) -> None:
    assert read(write_pdf(tmp_path / "a.pdf", [["Text."]], title=title)).title is None
    assert read(write_pdf(tmp_path / "a.pdf", [["Text."]], title=f"On {title} files")).title is not None


def test_scans_say_so(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"a\.pdf: 2 pages without text: scanned images\? \(recognise it first: ocrmypdf"
    ):
        read(write_pdf(tmp_path / "a.pdf", [[], []]))


def test_a_password(tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter

    plain = write_pdf(tmp_path / "a.pdf", [["Secret."]])
    for name, password in (("owner.pdf", ""), ("user.pdf", "pass")):
        writer = PdfWriter(clone_from=PdfReader(plain))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    assert read(tmp_path / "owner.pdf").blocks[0].text == "Secret."
    with pytest.raises(InputError, match=r"user\.pdf: needs a password \(decrypt it: qpdf"):
        read(tmp_path / "user.pdf")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_files_that_are_cut_short(tmp_path: Path, share: float) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["Text."], LINES], title="T", outline=[("Text.", 1)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    try:
        content = read(path)
    except InputError as error:
        assert str(error).startswith("a.pdf")
    else:
        assert content.blocks


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a pdf", b"%PDF-1.4\ntrailer << /Root 1 0 R >>\n%%EOF"])
def test_no_pdf(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.pdf"):
        read(path)


def test_the_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"reading PDF needs the extra 'files' \(pip install 'resift\[files\]'\)"):
        read(tmp_path / "a.pdf")

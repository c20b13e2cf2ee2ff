"""Word documents become sections."""

import zipfile
from pathlib import Path

import pytest

from resift.documents.docx import read_docx
from resift.errors import InputError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}><w:style w:styleId="1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="2"><w:name w:val="heading 2"/></w:style><w:style w:styleId="a3"><w:name w:val="Title"/></w:style>
<w:style w:styleId="x"><w:name w:val="Own"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>"""


def paragraph(text: str, style: str = "", more: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def write(path: Path, body: str, **parts: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return path


def test_a_document(tmp_path: Path) -> None:
    cells = "<w:tr>" + "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("名称", "价格")) + "</w:tr>"
    parts = [
        paragraph("年度报告", "a3"),
        paragraph("第一章", "1"),
        paragraph("一段文字。"),
        paragraph("项目", more="<w:numPr/>"),
        f"<w:tbl>{cells}</w:tbl>",
        paragraph("小节", "x"),
        "<w:p><w:r><w:t>a</w:t><w:br/><w:t>b</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>",
    ]
    body = "".join(parts)
    content = read_docx(write(tmp_path / "a.docx", body, word__styles=STYLES), "a.docx")
    assert content.title == "年度报告"
    assert [(block.headings, block.kind, block.text) for block in content.blocks] == [
        (("第一章",), "text", "一段文字。\n\n- 项目"),
        (("第一章",), "table", "名称 | 价格"),
        (("第一章", "小节"), "text", "a\nb"),
    ]


def test_a_title_in_the_properties(tmp_path: Path) -> None:
    core = '<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Report</dc:title></c>'
    content = read_docx(write(tmp_path / "a.docx", paragraph("Text."), docProps__core=core), "a.docx")
    assert (content.title, content.blocks[0].text) == ("Report", "Text.")


def test_what_means_harm(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (20 << 20))
    with pytest.raises(InputError, match="unpacks to more than 16 MiB"):
        read_docx(tmp_path / "bomb.docx", "bomb.docx")
    with zipfile.ZipFile(tmp_path / "laughs.docx", "w") as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "ha">]><x>&a;</x>')
    with pytest.raises(InputError, match="declares entities"):
        read_docx(tmp_path / "laughs.docx", "laughs.docx")


@pytest.mark.parametrize(("body", "message"), [("<w:p>", "is not XML"), (None, "it has no word/document.xml")])
def test_no_word_document(tmp_path: Path, body: str | None, message: str) -> None:
    path = tmp_path / "a.docx"
    if body is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.xml", "x")
    else:
        write(path, body)
    with pytest.raises(InputError, match=message):
        read_docx(path, "a.docx")


def test_a_table_within_a_table_is_told_once(tmp_path: Path) -> None:
    inner = f"<w:tbl><w:tr><w:tc>{paragraph('c')}</w:tc><w:tc>{paragraph('d')}</w:tc></w:tr></w:tbl>"
    row = f"<w:tr><w:tc>{paragraph('a')}</w:tc><w:tc>{paragraph('b')}{inner}</w:tc></w:tr>"
    last = f"<w:tr><w:tc>{paragraph('e')}{paragraph('f')}</w:tc></w:tr>"
    content = read_docx(write(tmp_path / "a.docx", f"<w:tbl>{row}{last}</w:tbl>"), "a.docx")
    assert [block.text for block in content.blocks] == ["a | b\nc | d\ne f"]


def test_a_text_box_is_told_once(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('box')}</w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = (
        f"<mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    )
    body = f"<w:p><w:r><w:t>before </w:t></w:r><w:r>{both}</w:r><w:r><w:t>after</w:t></w:r></w:p>"
    content = read_docx(write(tmp_path / "a.docx", body), "a.docx")
    assert [block.text for block in content.blocks] == ["box\n\nbefore after"]


def test_what_nests_deep_takes_no_longer(tmp_path: Path) -> None:
    depth = 10_000  # once the square of it
    body = "<w:tbl><w:tr><w:tc><w:p>" * depth + "<w:r><w:t>x</w:t></w:r>" + "</w:p></w:tc></w:tr></w:tbl>" * depth
    paragraphs = "<w:p>" * depth + "<w:r><w:t>y</w:t></w:r>" + "</w:p>" * depth
    content = read_docx(write(tmp_path / "a.docx", body + paragraphs), "a.docx")
    assert [block.text for block in content.blocks] == ["x", "y"]

"""HTML pages become sections."""

import pytest

from resift.documents.html import read_html
from resift.documents.records import Content
from resift.errors import InputError, MissingExtra

pytest.importorskip("bs4", reason="needs the extra 'files'")


def read(page: str | bytes, encoding: str | None = None) -> Content:
    return read_html(page.encode() if isinstance(page, str) else page, "a.html", encoding=encoding)


def texts(page: str) -> list[tuple[tuple[str, ...], str, str]]:
    return [(block.headings, block.kind, block.text) for block in read(page).blocks]


def test_a_page() -> None:
    page = """<!doctype html><html lang="de"><head><title>Tee – Laden</title><style>p {}</style>
    <meta name="description" content="Alles &uuml;ber Tee"></head><body><header>Logo</header><nav>Start</nav>
    <h1>Tee</h1><p>Ein <b>guter</b>\n Tee&nbsp;&amp; mehr.<br>Neue Zeile.</p><!-- nichts --><script>var x;</script>
    <h2>Sorten</h2><ul><li>Grün</li><li>Schwarz<ol start="3"><li>Assam</li></ol></li></ul>Danach.
    <h3>Preise</h3><table><caption>In Euro</caption><tr><th>Sorte</th><th>Preis</th></tr>
    <tr><td>Grün</td><td>3,<br>50</td></tr></table><pre>a\n  b</pre><h2>Bild</h2><img src="x" alt="Eine Kanne">
    <aside>Werbung</aside><div hidden>Versteckt</div><footer>Impressum</footer></body></html>"""
    content = read(page)
    assert (content.title, content.fields) == ("Tee", {"lang": "de", "description": "Alles über Tee"})
    assert texts(page) == [
        ((), "text", "Ein guter Tee & mehr.\nNeue Zeile."),
        (("Sorten",), "text", "- Grün\n- Schwarz\n  3. Assam\n\nDanach."),
        (("Sorten", "Preise"), "text", "In Euro"),
        (("Sorten", "Preise"), "table", "Sorte | Preis\nGrün | 3, 50"),
        (("Sorten", "Preise"), "code", "a\n  b"),
        (("Bild",), "text", "Eine Kanne"),
    ]


def test_main_is_the_content() -> None:
    assert texts("<p>Menu</p><main><p>Text.</p></main><p>Legal</p>") == [((), "text", "Text.")]
    assert texts('<p>Menu</p><div role="main"><p>Text.</p></div>') == [((), "text", "Text.")]
    assert texts("<p>Menu</p><article><p>Text.</p></article>") == [((), "text", "Text.")]
    assert texts("<article>One.</article><article>Two.</article>") == [((), "text", "One.\n\nTwo.")]
    assert texts(f"<main></main><p>{'All of the text. ' * 5}</p>")[0][2].startswith("All of")


def test_tables_that_lay_out_a_page_are_no_tables() -> None:
    page = "<p>x</p><table><tr><td><h2>A</h2>text</td><td>side</td></tr></table>"
    assert texts(page) == [((), "text", "x"), (("A",), "text", "text\n\nside")]
    assert texts("<table><tr><td>only</td></tr><tr><td>column</td></tr></table>") == [((), "text", "only\n\ncolumn")]


def test_the_title_of_the_page_where_no_heading_is_one() -> None:
    content = read("<title> Page \n title </title><h1>One</h1><p>a</p><h1>Two</h1><p>b</p>")
    assert content.title == "Page title"
    assert [block.headings for block in content.blocks] == [("One",), ("Two",)]


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("gb2312", "gbk"),
        ("GBK", "gbk"),
        ("big5", "big5"),
        ("Shift_JIS", "cp932"),
        ("windows-1251", "cp1251"),
        ("utf-8", "utf-8"),
        ("utf-8", "gbk"),
        ("nonsense", "utf-8"),
        ("iso-8859-1", "utf-8-sig"),
    ],
)
def test_the_encoding_that_the_page_names(charset: str, codec: str) -> None:
    said = {"cp1251": "Привет", "cp932": "これはペンです", "big5": "繁體中文"}.get(
        codec, "我们的国家在那里，这是不是一个大问题呢"
    )
    page = f'<meta http-equiv="Content-Type" content="text/html; charset={charset}"><p>{said}</p>'
    assert read(page.encode(codec)).blocks[0].text == said


def test_an_encoding_that_is_given() -> None:
    assert read("<p>łódź</p>".encode("cp1250"), encoding="cp1250").blocks[0].text == "łódź"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 5000 + "deep",
        "<ul><li>" * 2000 + "deep",
        "<table><tr><td>" * 1000 + "deep",
        "<a " * 20_000,
        '<a b="' * 20_000,
        "<!--" * 20_000,
        "<![CDATA[" * 20_000,
        "</" * 50_000,
        "<b>" * 5000 + "x" + "</i>" * 5000,
    ],
)
def test_pages_that_mean_harm(page: str) -> None:
    """What is quadratic on these would take many minutes."""
    assert read(page).fields == {}


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bs4", None)
    with pytest.raises(MissingExtra, match=r"reading HTML needs the extra 'files'"):
        read("<p>x</p>")


def test_a_page_of_too_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resift.documents.html.MOST_TAGS", 10)
    with pytest.raises(InputError, match="more than 10 HTML elements"):
        read("<p>x</p>" * 11)


def test_rows_and_cells_that_nothing_closes() -> None:
    closed = b"<table><tr><th>tea<th>price</tr><tr><td>green</td><td>3</td></tr><tr><td>black<td>4</table><p>end"
    open_tags = b"<table><tr><th>tea<th>price<tr><td>green<td>3<tr><td>black<td>4</table><p>end"
    for page in (closed, open_tags):
        [rows, after] = read(page).blocks
        assert rows.text == "tea | price\ngreen | 3\nblack | 4"
        assert after.text == "end"


def test_a_table_of_many_rows_that_nothing_closes() -> None:
    [rows] = read(b"<table>" + b"<tr><td>a<td>b" * 2000).blocks  # once the cube of the rows
    assert rows.text == "\n".join(["a | b"] * 2000)

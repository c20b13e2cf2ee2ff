"""PDF files of a few lines, written by hand: PDF 32000-1, 7.5 and 9.7."""

from pathlib import Path

_TO_UNICODE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange
%s
endcmap end end"""


def write_pdf(
    path: Path,
    pages: list[list[str]],
    *,
    title: str | None = None,
    outline: list[tuple[str, int]] = (),  # type: ignore[assignment]
    encoding: str | None = None,
) -> Path:
    """Write pages of lines; glyphs are UTF-16 units with a ToUnicode map, or those of a predefined map of Adobe's.

    `outline`: (title, page from 1).
    """
    texts = "".join("".join(page) for page in pages)
    objects: list[bytes] = []

    def add(content: bytes) -> int:
        objects.append(content)
        return len(objects)

    def stream(data: bytes) -> bytes:
        return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)

    codes = sorted({ord(character) for character in texts})
    maps = [
        b"%d beginbfchar %s endbfchar" % (len(part), b" ".join(b"<%04X> <%04X>" % (code, code) for code in part))
        for part in (codes[start : start + 100] for start in range(0, len(codes), 100))
    ]
    catalog, tree, info, bookmarks = add(b""), add(b""), add(b""), add(b"")
    unicode_map = add(stream(_TO_UNICODE % b"\n".join(maps)))
    descendant = add(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /A /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) "
        b"/Supplement 0 >> /DW 1000 >>"
    )
    how = (
        b"/Encoding /Identity-H /ToUnicode %d 0 R" % unicode_map
        if encoding is None
        else b"/Encoding /" + encoding.encode()
    )
    font = add(b"<< /Type /Font /Subtype /Type0 /BaseFont /A %s /DescendantFonts [%d 0 R] >>" % (how, descendant))
    codec = {"GBK-EUC-H": "gbk", "UniGB-UTF16-H": "utf-16-be", None: "utf-16-be"}[encoding]
    kids = []
    for lines in pages:
        shown = b"".join(b"<%s> Tj T*\n" % line.encode(codec).hex().encode() for line in lines)
        content = add(stream(b"BT /F 12 Tf 14 TL 50 780 Td\n%sET" % shown))
        kids.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F %d 0 R >> >> "
                b"/Contents %d 0 R >>" % (tree, font, content)
            )
        )
    objects[catalog - 1] = b"<< /Type /Catalog /Pages %d 0 R /Outlines %d 0 R >>" % (tree, bookmarks)
    objects[tree - 1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (
        len(kids),
        b" ".join(b"%d 0 R" % kid for kid in kids),
    )
    objects[info - 1] = b"<< %s >>" % (b"/Title <%s>" % _hex(title) if title is not None else b"")
    entries = [len(objects) + 1 + number for number in range(len(outline))]
    for number, (heading, page) in enumerate(outline):
        following = b"/Next %d 0 R" % entries[number + 1] if number + 1 < len(outline) else b""
        add(
            b"<< /Title <%s> /Parent %d 0 R /Dest [%d 0 R /Fit] %s >>"
            % (_hex(heading), bookmarks, kids[page - 1], following)
        )
    ends = b"/First %d 0 R /Last %d 0 R" % (entries[0], entries[-1]) if entries else b""
    objects[bookmarks - 1] = b"<< /Type /Outlines /Count %d %s >>" % (len(entries), ends)
    path.write_bytes(_file(objects, catalog, info))
    return path


def _hex(text: str) -> bytes:
    return b"FEFF" + text.encode("utf-16-be").hex().encode()


def _file(objects: list[bytes], catalog: int, info: int) -> bytes:
    data = b"%PDF-1.7\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(
        b"%010d 00000 n \n" % place for place in places
    )
    trailer = b"trailer << /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        catalog,
        info,
        len(data),
    )
    return data + table + trailer

"""Tags are taken off."""

import pytest

from resift.documents.tags import heading_parts, without_tags


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a <b>b</b> &lt;c&gt;", "a b <c>"),
        ("a<br/>b<p>c</p>", "a\nb\nc"),
        ("<td>1</td> <td>2</td>", "1 | 2"),
        ("a<!-- <p> -->b", "ab"),
        ("<style>p {}</style>a<script>if (a < b) {}</script>", "a"),
        ("1 < 2 > 0 <3", "1 < 2 > 0 <3"),
        ("<!-- open", "<!-- open"),
        ("İ<!--x-->y", "İ<!--x-->y".replace("<!--x-->", "")),
    ],
)
def test_without_tags(markup: str, text: str) -> None:
    assert without_tags(markup) == text


def test_heading_parts() -> None:
    found = [part for part in heading_parts('x<h2 id="a">A <i>b</i></h2>y<H3>C</H3>') if part[1]]
    assert found == [(0, "x"), (2, "A b"), (0, "y"), (3, "C")]


@pytest.mark.parametrize("part", ["<", "<a", "<!--", "<script>", "<h1>", "<h1", "</td> ", "<td>", "&"])
def test_what_means_harm(part: str) -> None:
    assert len(without_tags(part * 50_000)) <= len(part) * 50_000
    assert list(heading_parts(part * 50_000))

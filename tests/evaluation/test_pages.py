"""The report as text, CSV, LaTeX and HTML: what is in it is shown, and nothing that a text holds can break it."""

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from resift.evaluation import Report, as_csv, as_html, as_latex, as_text, combine, evaluate
from resift.evaluation.plots import Bar, Series, bars, lines, nice_ticks
from resift.evaluation.tables import queries_csv
from tests.evaluation.sets import TableScorer, make_dataset, many

HOSTILE = "</style><script>alert('x')</script> & \" '"


@pytest.fixture(scope="module")
def report() -> Report:
    data, scorer = many(30)
    sets = [make_dataset(data.qrels, data.first_stage or {}, name=f"set-{x}", language=x) for x in ("zh", "en")]
    whole = combine(sets)
    first = next(iter(whole.queries))
    whole.documents[f"{first}c"] = HOSTILE  # type: ignore[index]
    whole.queries[first] = replace(whole.queries[first], text=HOSTILE)  # type: ignore[index]
    scorer = TableScorer({**scorer.table, (HOSTILE, HOSTILE): 1.0})
    models = {"good_1": scorer, f"bad {HOSTILE}": TableScorer({pair: -value for pair, value in scorer.table.items()})}
    return evaluate(whole, models, metrics=["RR@10", "P@1"], depths=[2, 3])


def test_text_shows_rows_ceilings_groups_and_a_verdict(report: Report) -> None:
    text = as_text(report)
    for row in report["rows"]:
        assert f"{row['means']['RR@10']:.4f}" in text
    assert "By language (RR@10)" in text
    assert "best order, top 3" in text
    assert "good_1: reranking helps: RR@10 +0." in text
    assert "60 queries (30 questions)" in text
    assert "30 questions say little" in text


def test_csv_is_one_line_for_each_row_and_group(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert len(rows) == 5 + 2 + 2 * 3
    assert {len(row) for row in rows} == {19}
    assert [row["row"] for row in rows[:2]] == ["first stage", "good_1, top 2"]
    assert float(rows[2]["RR@10"]) == report["rows"][2]["means"]["RR@10"]
    assert rows[2]["p_holm"] == str(next(c for c in report["comparisons"] if c["row"] == "good_1, top 3")["p_holm"])
    assert {row["group"] for row in rows[7:]} == {"language=en", "language=zh"}
    assert all(None not in row and None not in row.values() for row in rows)


def test_every_query_in_a_table(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(queries_csv(report))))
    assert len(rows) == 60
    mean = sum(float(row["RR@10 good_1, top 3"]) for row in rows) / 60
    assert mean == pytest.approx(report["rows"][2]["means"]["RR@10"], abs=1e-6)


def test_latex_is_escaped_and_marks_differences(report: Report) -> None:
    text = as_latex(report)
    assert r"good\_1, top 3" in text
    assert r"\&" in text
    line = next(line for line in text.splitlines() if line.startswith(r"good\_1, top 3"))
    assert r"$^{\dagger}$" in line
    assert text.count("{") == text.count("}")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            raise AssertionError(f"</{tag}> closes {self.open[-1:]}")


def test_the_page_stands_alone_and_is_whole(report: Report) -> None:
    text = as_html(report)
    page = _Page()
    page.feed(text)
    assert page.open == []
    names = [tag for tag, _ in page.tags]
    assert names.count("svg") >= 3
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert not [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert text.count("alert(") >= 3  # the texts of query, document and model are shown
    assert "<script" not in text  # and stay texts


def test_the_page_says_how_and_on_what(report: Report) -> None:
    text = as_html({**report, "environment": {"processor": "Some <CPU>", "cores": 2}, "systems": {"good_1": {"a": 1}}})
    assert "paired randomisation test" in text
    assert "Some &lt;CPU&gt;" in text
    assert "Helped most" in text
    assert "do not quote" not in text
    assert "other programs took 40% of the processor" in as_html({**report, "foreign_share": 0.4})


def test_pages_of_reports_without_times_models_or_groups() -> None:
    data, scorer = many(5)
    untimed = evaluate(data, {"m": scorer}, depths=[3])
    for row in untimed["rows"]:
        row["milliseconds_p50"] = row["milliseconds_p95"] = None
    for one in (untimed, evaluate(data, {})):
        assert as_text(one)
        page = _Page()
        page.feed(as_html(one))
        assert page.open == []
        assert as_latex(one)
        assert as_csv(one)


@pytest.mark.parametrize("log_x", [False, True])
def test_plots_are_xml_within_their_frame(log_x: bool) -> None:
    series = [Series("a & b", [(10, 0.5), (100, 0.9)], 1, [(0.4, 0.6), (0.8, 1.0)], ["10", "<100>"]),
              Series("one", [(50, 0.7)], 2)]  # fmt: skip
    drawing = ElementTree.fromstring(lines(series, x="x", y="y", log_x=log_x))
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    for element in drawing.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(name, 0)) <= width
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.attrib.get(name, 0)) <= height


def test_bars_are_as_long_as_their_values() -> None:
    drawing = ElementTree.fromstring(bars([Bar("zh", 0.8, 0.7, 0.9, 0), Bar("zh", 0.4, 0.3, 0.5, 1)], y="nDCG@10"))
    widths = [float(one.attrib["width"]) for one in drawing.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)


def test_all_points_equal_can_be_drawn() -> None:
    ElementTree.fromstring(lines([Series("a", [(10, 0.0)], 1)], x="x", y="y"))
    ElementTree.fromstring(lines([Series("a", [(1, 1.0), (1, 1.0)], 1)], x="x", y="y", log_x=True))
    ElementTree.fromstring(bars([Bar("a", 0.0, 0.0, 0.0, 0)], y="y"))


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.71, 0.79, [0.72, 0.74, 0.76, 0.78]), (3, 3, [3])],
)
def test_ticks_are_round_numbers(low: float, high: float, wanted: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(wanted)

"""How results look: what is cut, marked and said."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from resift.cli.search_view import Look, show_result, stages_line
from resift.documents import Passage
from resift.explanation import Explanation, Sentence
from resift.pipeline import FoundPassage, SearchResult, Stage

LONG = "The bridge was built in spring. " * 30 + "Show your card to enter the archive. " + "Dogs wait outside. " * 30


def found(
    text: str, *, stage: str = "rerank", explanation: Explanation | None = None, **passage: object
) -> FoundPassage:
    scores = {"bm25": 3.25, "rerank": 1.5}
    return FoundPassage(
        passage=Passage("a.md", 2, text, **passage),  # type: ignore[arg-type]
        fields={"price": 3, "empty": ""},
        source="a.md",
        score=scores[stage],
        stage=stage,
        scores=scores,
        ranks={"bm25": 4, "rerank": 1},
        explanation=explanation,
    )


def shown(*hits: FoundPassage, query: str = "archive card", look: Look | None = None, ansi: bool = False) -> str:
    written = io.StringIO()
    console = Console(
        file=written, width=60, highlight=False, force_terminal=ansi, color_system="standard" if ansi else None
    )
    show_result(SearchResult(query, hits), console, look if look is not None else Look())
    return written.getvalue()


def test_the_part_with_the_query() -> None:
    text = shown(found(LONG))
    head, *lines = text.splitlines()
    assert head == " 1. 1.500  a.md#2"
    assert len(lines) <= 4 and lines[0].startswith("    …Show your card to enter the archive.")
    assert lines[-1].endswith("…") and not lines[-1].endswith(" …")


def test_whole_passages() -> None:
    assert shown(found("one\n\n  two\tthree"), look=Look(full=True)).splitlines()[1:] == [
        "    one",
        "",
        "      two   three",
    ]


def test_where_it_is_from() -> None:
    text = shown(found("x", title="Guide", headings=("Install", "Linux"), page=3))
    assert text.splitlines()[0] == " 1. 1.500  Guide · Install > Linux  a.md#2, page 3"
    assert "Guide · " not in shown(found("x", title="Guide", headings=("Guide", "Linux")))


def test_a_long_title_leaves_the_id_whole() -> None:
    name, id_, _ = shown(found("x", title="标题" * 40)).splitlines()
    assert name.startswith(" 1. 1.500  标题") and name.endswith("…") and id_ == "    a.md#2"


def test_a_heading_is_told_from_its_text() -> None:
    assert "开放时间·周一至周五九点。周六三点。" in shown(found("开放时间\n周一至周五九点。\n周六三点。"))
    assert "Opening hours · We open" in shown(found("Opening hours\nWe open at nine."))


def test_a_lower_stage_is_named() -> None:
    first, second = shown(found("x"), found("y", stage="bm25")).splitlines()[::2]
    assert "(" not in first and second.startswith(" 2. 3.250 (bm25)")


def test_the_score_is_that_of_the_order() -> None:
    hit = found("x")
    blended = replace(hit, scores={**hit.scores, "blend": 0.875}, ranks={**hit.ranks, "blend": 1})
    assert shown(blended).splitlines()[0] == " 1. rerank 1.500, blend 0.88  a.md#2"


def test_fields_and_reasons() -> None:
    text = shown(found("x"), look=Look(why=True, fields=["price", "empty", "none"]))
    assert "    price: 3\n" in text and "    bm25 4 (3.25), rerank 1 (1.5)\n" in text


def test_the_sentence_that_carried_the_score() -> None:
    sentences = tuple(
        Sentence(0, 0, text, 0.0, contribution)
        for text, contribution in (("Guide\n", 0.1), ("Show your card to enter the archive. ", 2.5))
    )
    explanation = Explanation(1.5, LONG, sentences, 1, None, truncated=False, grouped=False)
    text = shown(found(LONG, explanation=explanation), query="nothing of it", look=Look(why=True))
    assert "Show your card to enter the archive." in text
    assert "best sentence +2.500  Show your card" in text
    marked = shown(found(LONG, explanation=explanation), query="nothing of it", ansi=True)
    assert "\x1b[4mShow your card to enter the archive." in marked


@pytest.mark.parametrize(
    ("query", "text", "word"),
    [("archive", "The archive", "archive"), ("档案室", "三楼档案室", "档案室"), ("المكتبة", "في المكتبة", "المكتبة")],
)
def test_words_are_marked_on_a_terminal(query: str, text: str, word: str) -> None:
    assert f"\x1b[1;33m{word}\x1b[0m" in shown(found(text), query=query, ansi=True)


def test_stages() -> None:
    stages = [Stage("bm25", 0.00123, 100), Stage("rerank", 0.0561, 50), Stage("explain", 2.5, 1)]
    assert stages_line(SearchResult("q", [], stages)) == "bm25 1.2 ms (100), rerank 56 ms (50), explain 2.50 s (1)"

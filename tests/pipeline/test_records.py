"""What a pipeline answers, read in the ways that callers read it."""

import json

from resift.documents import Passage
from resift.pipeline import FoundPassage, SearchResult, Stage


def found(place: int) -> FoundPassage:
    return FoundPassage(
        passage=Passage("茶/a.md", place, "text", ("Tea",), "Teas", 2),
        fields={"lang": "zh"},
        source="a.md",
        score=0.5,
        stage="rerank",
        scores={"bm25": 7.25, "rerank": 0.5},
        ranks={"bm25": 2, "rerank": 1},
    )


RESULT = SearchResult("q", (found(0), found(3)), (Stage("bm25", 0.25, 2), Stage("rerank", 0.5, 2)))


def test_a_passage() -> None:
    hit = RESULT[1]
    assert (hit.id, hit.document, hit.title, hit.text) == ("茶/a.md#3", "茶/a.md", "Teas", "text")
    assert hit.full_text == hit.passage.full_text
    assert hit.why == "bm25 2 (7.25), rerank 1 (0.5)"


def test_a_result_is_a_list_of_its_hits() -> None:
    assert len(RESULT) == 2
    assert [hit.passage.place for hit in RESULT] == [0, 3]
    assert RESULT[0] in RESULT
    assert RESULT[:1] == (RESULT[0],)
    assert RESULT.seconds == 0.75
    assert not SearchResult("nothing", ())


def test_it_is_json() -> None:
    body = json.loads(json.dumps(RESULT.to_dict()))
    assert body["query"] == "q"
    assert body["stages"][0] == {"name": "bm25", "seconds": 0.25, "found": 2}
    assert body["hits"][1] == {
        "id": "茶/a.md#3",
        "document": "茶/a.md",
        "place": 3,
        "text": "text",
        "headings": ["Tea"],
        "title": "Teas",
        "page": 2,
        "fields": {"lang": "zh"},
        "source": "a.md",
        "score": 0.5,
        "stage": "rerank",
        "scores": {"bm25": 7.25, "rerank": 0.5},
        "ranks": {"bm25": 2, "rerank": 1},
        "truncated": False,
        "context": None,
        "explanation": None,
    }

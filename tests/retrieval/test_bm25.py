import logging
import math

import pytest

from resift.errors import InputError
from resift.retrieval.analyzer import analyze
from resift.retrieval.bm25 import BM25

TEXTS = ["green tea and black tea", "black coffee", "a glass of water", "tea house", "water for tea"]


def lucene_score(query: str, number: int, *, k1: float, b: float) -> float:
    """BM25 from its definition, one term of the query at a time."""
    documents = [analyze(text) for text in TEXTS]
    mean = sum(map(len, documents)) / len(documents)
    total = 0.0
    for term in analyze(query):
        holders = sum(term in document for document in documents)
        idf = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        count = documents[number].count(term)
        if count:
            total += idf * count / (count + k1 * (1 - b + b * len(documents[number]) / mean))
    return total


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75), (0.0, 0.0)])
@pytest.mark.parametrize("query", ["tea", "black tea", "a glass of black coffee", "tea tea"])
def test_scores_are_bm25_by_its_definition(query: str, k1: float, b: float) -> None:
    hits = BM25(TEXTS, k1=k1, b=b).search(query, top_k=10)
    assert hits
    for hit in hits:
        assert hit.score == pytest.approx(lucene_score(query, hit.id, k1=k1, b=b), rel=1e-5)


def test_hits_are_sorted_and_ties_keep_the_order_of_the_corpus() -> None:
    hits = BM25(["same text", "other words", "same text", "same text"]).search("same", top_k=9)
    assert [hit.id for hit in hits] == [0, 2, 3]
    assert [hit.score for hit in BM25(TEXTS).search("black tea", top_k=9)] == sorted(
        (hit.score for hit in BM25(TEXTS).search("black tea", top_k=9)), reverse=True
    )


def test_top_k_cuts_the_list() -> None:
    index = BM25(TEXTS)
    assert index.search("tea", top_k=2) == index.search("tea", top_k=9)[:2]
    assert index.search("tea", top_k=0) == []


def test_documents_that_share_nothing_are_not_hits() -> None:
    assert [hit.id for hit in BM25(TEXTS).search("coffee", top_k=9)] == [1]
    assert BM25(TEXTS).search("квас", top_k=9) == []


def test_one_character_finds_the_chinese_word_that_holds_it() -> None:
    assert [hit.id for hit in BM25(["黑狗", "白猫"]).search("猫", top_k=9)] == [1]


@pytest.mark.parametrize("texts", [[], [""], ["", "..."]])
def test_a_corpus_without_terms_finds_nothing(texts: list[str]) -> None:
    index = BM25(texts)
    assert len(index) == len(texts)
    assert index.search("tea", top_k=3) == []


@pytest.mark.parametrize("query", ["", "   ", "?!"])
def test_a_query_without_terms_finds_nothing(query: str) -> None:
    assert BM25(TEXTS).search(query, top_k=3) == []


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="list of texts"):
        BM25("one text")
    with pytest.raises(InputError, match="list of texts"):
        BM25(["text", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="k1"):
        BM25(TEXTS, k1=-1)
    with pytest.raises(InputError, match="b is 2"):
        BM25(TEXTS, b=2)
    with pytest.raises(InputError, match="top_k is -1"):
        BM25(TEXTS).search("tea", top_k=-1)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        BM25(TEXTS).search("tea", top_k=1)
    assert not caplog.records

import logging
import math
import random
from concurrent.futures import ThreadPoolExecutor

import bm25s
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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


def best(index: BM25, query: str, top_k: int = 10, among: list[int] | None = None) -> list[int]:
    return [int(hit.id) for hit in index.search(query, top_k=top_k, among=among)]


def test_ids_are_the_caller_s() -> None:
    index = BM25(TEXTS, ids=[2**62, 7, -3, 0, 2**40])
    assert sorted(best(index, "water")) == [-3, 2**40]
    assert best(BM25(["tea"] * 3, ids=[2**62, -1, 5]), "tea") == [-1, 5, 2**62]
    assert 2**62 in index
    assert 1 not in index


def test_a_document_of_the_same_id_is_replaced() -> None:
    index = BM25(TEXTS)
    index.add([1, 9, 9], ["juice", "lost", "found"])
    assert len(index) == len(TEXTS) + 1
    assert best(index, "coffee") == best(index, "lost") == []
    assert (best(index, "juice"), best(index, "found")) == ([1], [9])


def test_deleted_documents_are_not_found_and_count_no_more() -> None:
    index = BM25([*TEXTS, "tea tea coffee"])
    index.delete([5, 5, 77])
    assert 5 not in index
    assert index.search("black coffee", top_k=9) == BM25(TEXTS).search("black coffee", top_k=9)
    index.delete(range(5))
    assert len(index) == 0
    assert best(index, "tea") == []


def test_among_limits_what_is_found_and_changes_no_score() -> None:
    index = BM25(TEXTS)
    every = index.search("black tea water", top_k=9)
    assert len(every) == 5
    for among in ([], [99], [4, 0, 4], [0, 1, 2, 3, 4], [-5, 3]):
        expected = [hit for hit in every if hit.id in among]
        assert index.search("black tea water", top_k=9, among=among) == expected
        assert index.search("black tea water", top_k=1, among=np.array(among, np.int64)) == expected[:1]


def test_many_queries_are_answered_as_one_by_one() -> None:
    queries = ["tea", "", "black coffee", "квас", "water for tea", "tea"]
    index = BM25(TEXTS)
    assert index.search_many(queries, top_k=3) == [index.search(query, top_k=3) for query in queries]
    assert index.search_many([], top_k=3) == []


@pytest.mark.parametrize("times", [255, 256, 65535, 65536])
def test_counts_of_any_size_are_exact(times: int) -> None:
    index = BM25(["tea " * times, "tea house", "water"])
    index.add([3], ["tea and tea"])
    [hit] = [hit for hit in index.search("tea", top_k=9) if hit.id == 0]
    lengths = [len(analyze(text)) for text in ("tea " * times, "tea house", "water", "tea and tea")]
    norm = 0.9 * (0.6 + 0.4 * lengths[0] / (sum(lengths) / 4))
    idf = math.log(1 + 1.5 / 3.5)
    assert hit.score == pytest.approx(len(analyze("tea")) * idf * times / (times + norm), rel=1e-5)


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=30),
    st.lists(st.sampled_from("abcdefghz"), min_size=1, max_size=6),
    st.sampled_from([(0.9, 0.4), (1.5, 0.75), (1.2, 1.0), (0.5, 0.0)]),
)
@settings(deadline=None, max_examples=60)
def test_scores_are_those_of_bm25s(documents: list[list[str]], query: list[str], setting: tuple[float, float]) -> None:
    known = {term for document in documents for term in document}
    assume(known)
    k1, b = setting
    oracle = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    oracle.index(documents, show_progress=False)
    asked = [term for term in query if term in known]
    expected = oracle.get_scores(asked) if asked else np.zeros(len(documents))
    index = BM25([" ".join(document) for document in documents], analyzer=str.split, k1=k1, b=b)
    found = {int(hit.id): hit.score for hit in index.search(" ".join(query), top_k=99)}
    assert found == pytest.approx({i: float(x) for i, x in enumerate(expected) if x > 0}, rel=1e-5)


def corpus(size: int) -> list[str]:
    """Texts of words whose frequencies fall as in natural text."""
    draw = random.Random(3)
    words = [f"{word:x}" for word in range(2000)]
    weights = [1 / (place + 1) for place in range(2000)]
    return [" ".join(draw.choices(words, weights, k=draw.randrange(1, 40))) for _ in range(size)]


def test_what_is_skipped_is_not_missed() -> None:
    """Enough documents that bounds, candidates and searched lists all come into play, against plain sums."""
    texts = corpus(20000)
    index = BM25(analyzer=str.split)
    for start, end in ((0, 9000), (9000, 19000), (19000, 19500), (19500, 20000)):
        index.add(range(start, end), texts[start:end])
    index.delete(range(0, 20000, 7))
    left = [i for i in range(20000) if i % 7]
    oracle = bm25s.BM25(k1=0.9, b=0.4, method="lucene", backend="numpy")
    oracle.index([texts[i].split() for i in left], show_progress=False)
    draw = random.Random(4)
    for query in [*draw.sample(texts, 12), "0 1 2 3", "0", "7cf 7ce 0 1"]:
        scores = oracle.get_scores([term for term in query.split() if term in oracle.vocab_dict])
        every = index.search(query, top_k=20000)
        assert {hit.id: hit.score for hit in every} == pytest.approx(
            {left[i]: float(scores[i]) for i in np.flatnonzero(scores)}, rel=1e-5
        )
        assert [(hit.score, -int(hit.id)) for hit in every] == sorted(
            ((hit.score, -int(hit.id)) for hit in every), reverse=True
        )
        for top_k in (1, 10, 100):
            assert index.search(query, top_k=top_k) == every[:top_k]
        for among in (draw.sample(left, 50), draw.sample(left, 6000)):
            chosen = set(among)
            assert index.search(query, top_k=20, among=among) == [hit for hit in every if hit.id in chosen][:20]


def test_bad_arguments_are_refused() -> None:
    index = BM25(TEXTS)
    with pytest.raises(InputError, match="2 ids for 1 texts"):
        index.add([1, 2], ["a"])
    with pytest.raises(InputError, match="list of texts"):
        index.add([1], "a")
    with pytest.raises(InputError, match="ids: expected whole numbers"):
        index.add([1.5], ["a"])
    with pytest.raises(InputError, match="ids: expected whole numbers"):
        index.delete(np.array([[1]]))
    with pytest.raises(InputError, match="ids: expected whole numbers"):
        index.add(np.array([2**63], np.uint64), ["a"])
    with pytest.raises(InputError, match="among: expected whole numbers"):
        index.search("tea", top_k=1, among=["a"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="a query is a text"):
        index.search(3, top_k=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a query is a text"):
        index.search_many("tea", top_k=1)
    with pytest.raises(InputError, match="k1 is inf"):
        BM25(k1=math.inf)
    assert len(index) == len(TEXTS)


def test_after_close_nothing_works() -> None:
    with BM25(TEXTS) as index:
        assert len(index) == len(TEXTS)
    for call in (
        lambda: index.search("tea", top_k=1), lambda: index.add([1], ["a"]), lambda: index.delete([1]), index.compact,
        lambda: index.save(mark=1), lambda: len(index),
    ):  # fmt: skip
        with pytest.raises(InputError, match="closed"):
            call()
    index.close()


def test_threads_search_while_one_adds() -> None:
    index = BM25(["tea house"] * 10)
    seen: list[int] = []

    def search() -> None:
        while len(index) < 3000:
            seen.append(len(index.search("tea", top_k=10**6)))

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(search) for _ in range(3)]
        for start in range(10, 3010, 50):
            index.add(range(start, start + 50), ["tea house"] * 50)
        for run in runs:
            run.result()
    assert all(count % 50 == 10 for count in seen)  # batches are seen whole

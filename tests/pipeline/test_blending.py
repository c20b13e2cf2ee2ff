"""The reranker's order and the first stage's, in one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from resift import Reranker
from resift.errors import InputError
from resift.loading.source import EMBEDDED_FOLDER
from resift.pipeline import Pipeline
from resift.pipeline.blending import EMBEDDED_SHARE, blend, check_blend, usual_share
from resift.retrieval.protocols import Hit
from tests.pipeline.fakes import LongestFirst, WordStore, documents, row

FIRST = {1: 10.0, 2: 8.0, 3: 0.0}
RERANKED = [Hit(3, 5.0), Hit(2, 4.0), Hit(1, -5.0)]


@pytest.mark.parametrize(
    ("share", "order"), [(1.0, [3, 2, 1]), (0.6, [2, 3, 1]), (0.4, [2, 1, 3]), (0.05, [1, 2, 3]), (0.0, [1, 2, 3])]
)
def test_shares(share: float, order: list[int]) -> None:
    assert [hit.id for hit in blend(RERANKED, FIRST, share)] == order


def test_the_sum() -> None:
    scores = {hit.id: hit.score for hit in blend(RERANKED, FIRST, 0.25)}
    assert scores == {1: 0.75, 2: pytest.approx(0.75 * 0.8 + 0.25 * 0.9), 3: 0.25}


def test_equal_scores_keep_the_first_stages_order() -> None:
    assert [hit.id for hit in blend([Hit(3, 1.0), Hit(1, 1.0), Hit(2, 1.0)], {2: 1.0, 1: 1.0, 3: 1.0}, 0.5)] == [
        2,
        1,
        3,
    ]
    assert blend([], {1: 3.0}, 0.5) == []
    assert [hit.id for hit in blend([Hit(1, 1.0)], {2: 9.0, 1: 3.0}, 0.5)] == [1]


@pytest.mark.parametrize("share", [-0.1, 1.1, True, "half", None, float("nan")])
def test_what_it_refuses(share: Any) -> None:
    with pytest.raises(InputError, match="expected 0"):
        check_blend(share)


def test_only_the_embedded_model_leans_on_the_first_stage(checkpoint: Path) -> None:
    assert usual_share(None) == usual_share(True) == EMBEDDED_SHARE
    assert [usual_share(one) for one in (False, "BAAI/bge-reranker-v2-m3", "http://localhost", LongestFirst())] == [
        1.0
    ] * 4
    with Reranker(checkpoint) as other:
        assert usual_share(other) == 1.0
    if EMBEDDED_FOLDER.is_dir():
        with Reranker() as embedded:
            assert usual_share(embedded) == EMBEDDED_SHARE


def test_in_a_search(tmp_path: Path) -> None:
    texts = {"a": "red red apple", "b": "red and a few words", "c": "red and far more words than the others have"}
    store = {"words": WordStore()}
    with Pipeline.create(tmp_path / "p", stores=(), own_stores=store, reranker=LongestFirst()) as pipeline:
        pipeline.add([row(name, text) for name, text in texts.items()])
        assert documents(pipeline.search("red apple")) == ["c", "b", "a"]
        mixed = pipeline.search("red apple", blend=0.4)
        assert documents(mixed) == ["a", "c", "b"]
        assert [hit.stage for hit in mixed] == ["rerank"] * 3
        assert mixed[0].score == len(texts["a"])
        assert (mixed[0].ranks["rerank"], mixed[0].ranks["blend"], mixed[0].scores["blend"]) == (3, 1, 0.6)
        assert documents(pipeline.search("red apple", blend=0.4, threshold=15)) == ["c", "b"]
        with pytest.raises(InputError, match="blend is 2"):
            pipeline.search("red", blend=2)


def test_where_words_find_nothing_the_reranker_decides(tmp_path: Path) -> None:
    def encode(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.1 * (len(text) > 10)] for text in texts]

    with Pipeline.create(
        tmp_path / "p", stores=["bm25", "faiss"], encoder=encode, fusion="covered", reranker=LongestFirst()
    ) as pipeline:
        pipeline.add([row("short", "blue"), row("long", "red apples, all of them")])
        foreign, known = pipeline.search("苹果", blend=0.5), pipeline.search("blue", blend=0.5)
        # Halves are a tie, which the first stage decides.
        assert documents(known) == ["short", "long"]
        assert [hit.scores["blend"] for hit in known] == [0.5, 0.5]
        assert documents(foreign) == ["long", "short"]
        assert foreign[0].scores["blend"] == pytest.approx(0.5**0.05)
        assert documents(pipeline.search("苹果", blend=0)) == ["short", "long"]

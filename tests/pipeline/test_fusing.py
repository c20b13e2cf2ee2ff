"""Names of fusions, and lists by stores."""

import pytest

from resift.errors import InputError
from resift.pipeline.fusing import check_fusion, fuse, trusted
from resift.retrieval import BM25
from resift.retrieval.protocols import Hit

LISTS = {"bm25": [Hit(1, 9.0), Hit(2, 8.0), Hit(3, 1.0)], "faiss": [Hit(3, 0.9), Hit(4, 0.1)]}


@pytest.mark.parametrize(
    "name", ["rrf", "covered", "weighted", "weighted:min-max", "weighted:z-score", "weighted:none"]
)
def test_known_ones(name: str) -> None:
    check_fusion(name)
    assert {hit.id for hit in fuse(name, LISTS, {})} == {1, 2, 3, 4}


@pytest.mark.parametrize("name", ["", "RRF", "rrf:min-max", "weighted:", "weighted:best", "best"])
def test_unknown_ones(name: str) -> None:
    if name == "weighted:":
        check_fusion(name)  # nothing behind it is the usual one
        return
    with pytest.raises(InputError, match="normalisations: min-max, max"):
        check_fusion(name)


def test_reciprocal_ranks() -> None:
    assert [(hit.id, hit.score) for hit in fuse("rrf", LISTS, {})] == [
        (3, pytest.approx(1 / 63 + 1 / 61)), (1, 1 / 61), (2, 1 / 62), (4, 1 / 62),
    ]  # fmt: skip


def test_weights() -> None:
    assert [hit.id for hit in fuse("rrf", LISTS, {"faiss": 0.0})] == [1, 2, 3]
    assert [hit.id for hit in fuse("weighted", LISTS, {"faiss": 0.1})] == [1, 2, 3, 4]
    assert [hit.id for hit in fuse("weighted:none", LISTS, {"faiss": 100})] == [3, 4, 1, 2]


@pytest.mark.parametrize("analyzer", ["ngrams", "words"])
def test_words_that_find_nothing_count_little(analyzer: str) -> None:
    texts = [f"城市第{n}区的图书馆开放时间是周{n % 7}" for n in range(200)] + ["图书馆的 Wi-Fi 密码在借书证背面"]
    index = BM25(texts, analyzer=analyzer)

    def trust(query: str) -> float:
        return trusted(query, index.search(query, top_k=10), analyzer=analyzer, passages=len(index))

    assert trust("where do I find the Wi-Fi password of the public library in town") < 0.5
    assert trust("图书馆的密码在哪里") == 1
    assert trust("nothing of this kind") == trust("!?") == 0.05


def test_a_list_that_counts_little_stays_behind() -> None:
    assert [hit.id for hit in fuse("covered", LISTS, {"bm25": 0.05, "faiss": 0.3})] == [3, 1, 2, 4]

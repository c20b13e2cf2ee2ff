"""What may rerank, and who closes it."""

from pathlib import Path
from typing import Any

import pytest

from resift import AsyncClient, Client, Reranker
from resift.errors import EngineClosed, InputError
from resift.pipeline.reranking import Reranking
from tests.pipeline.fakes import LongestFirst


def test_a_model_is_loaded_once_and_closed(checkpoint: Path) -> None:
    with Reranking(checkpoint) as reranking:
        first = reranking.rank(["q"], [["a", "b b"]])
        ranker = reranking._opened
        assert reranking.rank(["q"], [["a", "b b"]]) == first
        assert reranking._opened is ranker
        assert [sorted(one.index for one in ranking) for ranking in first] == [[0, 1]]
    assert isinstance(ranker, Reranker)
    with pytest.raises(EngineClosed):
        ranker.score([("q", "a")])


def test_what_was_given_stays_open(checkpoint: Path) -> None:
    with Reranker(checkpoint) as ranker:
        with Reranking(ranker) as reranking:
            assert reranking.explain("q", "One sentence. Another.").sentences
        assert len(ranker.score([("q", "a")])) == 1


def test_an_address_is_a_client() -> None:
    with Reranking("http://127.0.0.1:9") as reranking:
        assert isinstance(reranking._ranker(), Client)


def test_none_at_all() -> None:
    assert not Reranking(False).on
    assert Reranking(None).on
    assert Reranking(True).on


@pytest.mark.parametrize("spec", [3, object(), LongestFirst])
def test_what_it_refuses(spec: Any) -> None:
    if spec is LongestFirst:
        assert Reranking(spec()).on
        return
    with pytest.raises(InputError, match="expected a Reranker, a Client"):
        Reranking(spec)


def test_an_async_client_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="give a Client"):
        Reranking(AsyncClient())  # type: ignore[arg-type]


def test_some_cannot_explain() -> None:
    with pytest.raises(InputError, match="LongestFirst cannot explain"):
        Reranking(LongestFirst()).explain("q", "text")

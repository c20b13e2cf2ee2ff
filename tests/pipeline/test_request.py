"""What a search may be asked for."""

from typing import Any

import pytest

from resift.errors import InputError, ResiftWarning
from resift.pipeline.request import DEEPEST, Request, capped


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k is -1"),
        ({"top_k": 2.0}, "top_k is 2.0"),
        ({"top_k": True}, "top_k is True"),
        ({"recall": 0}, "recall is 0"),
        ({"depth": -1}, "depth is -1"),
        ({"context": "1"}, "context is '1'"),
        ({"explain": -1}, "explain is -1"),
        ({"per_document": 0}, "per_document is 0"),
        ({"fusion": "best"}, "fusion is 'best'"),
        ({"where": {"a": {"b": 1}}}, "the field 'a'"),
        ({"stores": "bm25"}, r"write \['bm25'\]"),
        ({"threshold": "high"}, "threshold is 'high'"),
        ({"threshold": float("nan")}, "threshold is nan"),
    ],
)
def test_what_it_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Request(**options)


def test_depth_has_a_cap_that_says_so() -> None:
    assert capped(DEEPEST, DEEPEST) == DEEPEST
    with pytest.warns(ResiftWarning, match=r"depth is 200: the best 100 passages are reranked.*max_depth"):
        assert capped(200, 100) == 100

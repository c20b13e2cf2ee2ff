"""What a pipeline is made with, where the caller leaves it open."""

from typing import Any

import pytest

from resift.documents import Chunking, Columns
from resift.errors import InputError
from resift.pipeline.config import Config
from resift.pipeline.creating import make_config
from tests.pipeline.fakes import LetterEncoder


def made(**changes: Any) -> Config:
    usual: dict[str, Any] = {
        "stores": ["bm25"],
        "encoder": "resift",
        "analyzer": "ngrams",
        "faiss_kind": "flat",
        "milvus": None,
        "own": [],
        "chunking": None,
        "template": None,
        "columns": None,
        "fusion": None,
        "weights": None,
    }
    return make_config(**{**usual, **changes})


def test_defaults() -> None:
    config = made()
    assert config.stores == {"bm25": {"analyzer": "ngrams"}}
    assert (config.encoder, config.chunking, config.columns, config.fusion) == (None, Chunking(), Columns(), "rrf")


@pytest.mark.parametrize(
    ("changes", "fusion", "weights"),
    [
        ({"stores": ["bm25", "faiss"]}, "covered", {"faiss": 0.3}),
        ({"stores": ["bm25", "faiss"], "encoder": None}, "covered", {"faiss": 0.3}),
        ({"stores": ["bm25", "faiss"], "weights": {}}, "covered", {}),
        ({"stores": ["bm25", "faiss"], "fusion": "rrf"}, "rrf", {"faiss": 0.3}),
        ({"stores": ["bm25", "faiss"], "encoder": LetterEncoder()}, "rrf", {}),
        ({"stores": ["bm25", "faiss"], "encoder": "http://localhost/v1/embeddings#m"}, "rrf", {}),
        ({"stores": ["faiss"]}, "rrf", {}),
        ({"stores": ["bm25"], "own": ["mine"]}, "rrf", {}),
    ],
)
def test_fusion_leans_on_what_is_better(changes: dict[str, Any], fusion: str, weights: dict[str, float]) -> None:
    config = made(**changes)
    assert (config.fusion, config.weights) == (fusion, weights)


def test_options_of_stores() -> None:
    config = made(
        stores=["bm25", "faiss", "milvus"], analyzer="words", faiss_kind="ivf", milvus="http://localhost:19530"
    )
    assert config.stores == {
        "bm25": {"analyzer": "words"},
        "faiss": {"kind": "ivf"},
        "milvus": {"uri": "http://localhost:19530"},
    }
    assert made(stores={"faiss": {"kind": "hnsw", "m": 8}}).stores == {"faiss": {"kind": "hnsw", "m": 8}}
    assert made(stores=[], own=["mine"]).stores == {"mine": {"given": True}}


@pytest.mark.parametrize(
    "changes",
    [
        {"stores": ["milvus"], "milvus": "http://user:secret@localhost:19530"},
        {"stores": {"milvus": {"uri": "https://secret@localhost"}}},
        {"stores": ["faiss"], "encoder": "http://user:secret@localhost/v1/embeddings#m"},
    ],
)
def test_no_password_is_kept(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="has a user or a password") as raised:
        made(**changes)
    assert "secret" not in str(raised.value)
    assert made(stores=["faiss"], encoder="http://localhost/v1/embeddings#org@model").encoder


def test_an_encoder_that_is_no_text_is_not_kept() -> None:
    assert made(stores=["faiss"], encoder=LetterEncoder()).encoder is None
    assert made(stores=["faiss"], encoder="resift").encoder == "resift"

"""First-stage retrieval: what finds the candidates that a reranker puts in order.

Names are imported when they are first used (PEP 562): BM25 needs neither FAISS nor Milvus.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resift.retrieval.analyzers import Analyzer, FunctionAnalyzer
    from resift.retrieval.bm25 import BM25
    from resift.retrieval.encoders import FunctionEncoder, SentenceTransformerEncoder, as_encoder
    from resift.retrieval.faiss import FaissIndex, FaissInfo
    from resift.retrieval.fusion import FusedHit, rrf, weighted
    from resift.retrieval.http_encoder import HttpEncoder
    from resift.retrieval.milvus import MilvusIndex, MilvusRetriever
    from resift.retrieval.protocols import Encoder, Hit, Retriever, Store
    from resift.retrieval.weights import FittedWeights, fit_weights

__all__ = [
    "BM25",
    "Analyzer",
    "Encoder",
    "FaissIndex",
    "FaissInfo",
    "FittedWeights",
    "FunctionAnalyzer",
    "FunctionEncoder",
    "FusedHit",
    "Hit",
    "HttpEncoder",
    "MilvusIndex",
    "MilvusRetriever",
    "Retriever",
    "SentenceTransformerEncoder",
    "Store",
    "as_encoder",
    "fit_weights",
    "rrf",
    "weighted",
]
_HOME = {
    "Analyzer": "analyzers",
    "BM25": "bm25",
    "Encoder": "protocols",
    "FaissIndex": "faiss",
    "FaissInfo": "faiss",
    "FittedWeights": "weights",
    "FunctionAnalyzer": "analyzers",
    "FusedHit": "fusion",
    "FunctionEncoder": "encoders",
    "Hit": "protocols",
    "HttpEncoder": "http_encoder",
    "MilvusIndex": "milvus",
    "MilvusRetriever": "milvus",
    "Retriever": "protocols",
    "SentenceTransformerEncoder": "encoders",
    "Store": "protocols",
    "fit_weights": "weights",
    "rrf": "fusion",
    "weighted": "fusion",
    "as_encoder": "encoders",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'resift.retrieval' has no attribute {name!r}")
    return getattr(import_module(f"resift.retrieval.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""resift: rerank search results with a cross-encoder, on any CPU, offline.

Names are imported when they are first used (PEP 562), so that `resift --help` does not wait for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resift.client.client import AsyncClient, Client
    from resift.compat.cross_encoder import CrossEncoder
    from resift.compat.flag import FlagReranker
    from resift.embedding.embedder import Embedder
    from resift.errors import ResiftError, ResiftWarning
    from resift.explanation import Explanation
    from resift.pipeline.pipeline import Pipeline
    from resift.reranker import Reranker
    from resift.types import PairScore, RankedDocument, ScoreInfo, Window, Windows

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "Client",
    "CrossEncoder",
    "Embedder",
    "Explanation",
    "FlagReranker",
    "PairScore",
    "Pipeline",
    "RankedDocument",
    "Reranker",
    "ResiftError",
    "ResiftWarning",
    "ScoreInfo",
    "Window",
    "Windows",
]
_HOME = {
    "AsyncClient": "client.client",
    "Client": "client.client",
    "CrossEncoder": "compat.cross_encoder",
    "Embedder": "embedding.embedder",
    "Explanation": "explanation",
    "FlagReranker": "compat.flag",
    "PairScore": "types",
    "Pipeline": "pipeline.pipeline",
    "RankedDocument": "types",
    "Reranker": "reranker",
    "ResiftError": "errors",
    "ResiftWarning": "errors",
    "ScoreInfo": "types",
    "Window": "types",
    "Windows": "types",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'resift' has no attribute {name!r}")
    return getattr(import_module(f"resift.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

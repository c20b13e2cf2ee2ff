"""resift: rerank search results with a cross-encoder, on any CPU, offline."""

from resift.compat.cross_encoder import CrossEncoder
from resift.compat.flag import FlagReranker
from resift.errors import ResiftError, ResiftWarning
from resift.reranker import Reranker
from resift.types import RankedDocument, ScoreInfo, Window, Windows

__all__ = [
    "CrossEncoder",
    "FlagReranker",
    "RankedDocument",
    "Reranker",
    "ResiftError",
    "ResiftWarning",
    "ScoreInfo",
    "Window",
    "Windows",
]
__version__ = "0.1.0"

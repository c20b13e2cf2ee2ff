"""Texts become vectors, by a small static model: dense recall that works offline."""

from resift.embedding.embedder import Embedder

__all__ = ["Embedder"]

"""Dense first-stage retrieval in Milvus: a server's collection, or Milvus Lite's folder in this process."""

from resift.retrieval.milvus.index import MilvusIndex, MilvusRetriever

__all__ = ["MilvusIndex", "MilvusRetriever"]

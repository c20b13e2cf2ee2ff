"""From a question to the right passage: recall, fusion, rerank, over one folder."""

from resift.pipeline.measuring import Measured, Measurement
from resift.pipeline.pipeline import Pipeline
from resift.pipeline.records import (
    Changes,
    FoundPassage,
    PipelineInfo,
    SearchResult,
    Stage,
    StoredDocument,
    StoreInfo,
)

__all__ = [
    "Changes",
    "FoundPassage",
    "Measured",
    "Measurement",
    "Pipeline",
    "PipelineInfo",
    "SearchResult",
    "Stage",
    "StoreInfo",
    "StoredDocument",
]

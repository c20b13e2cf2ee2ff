"""Opening a pipeline's folder with what a folder must not hold: the keys of servers, from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resift.pipeline import Pipeline
    from resift.pipeline.reranking import RankerSpec
    from resift.retrieval import Encoder

ENCODER_KEY = "RESIFT_ENCODER_KEY"
MILVUS_TOKEN = "RESIFT_MILVUS_TOKEN"


def open_folder(folder: Path, *, reranker: RankerSpec, writable: bool, depth: int = 0) -> Pipeline:
    """Open a pipeline, for reranking as deep as was asked for; raises what `Pipeline` raises."""
    from resift.pipeline import Pipeline
    from resift.pipeline.config import read
    from resift.pipeline.request import DEEPEST

    encoder = keyed_encoder(read(folder).encoder)
    return Pipeline(
        folder,
        reranker=reranker,
        writable=writable,
        encoder=encoder,
        milvus_token=milvus_token(),
        max_depth=max(DEEPEST, depth),
    )


def keyed_encoder(spec: str | None) -> Encoder | None:
    """Return the encoder on a server with its key; None for any other one, and where the environment has no key."""
    key = os.environ.get(ENCODER_KEY)
    if not key or spec is None or not spec.startswith(("http://", "https://")):
        return None
    from resift.retrieval import as_encoder

    return as_encoder(spec, api_key=key)


def milvus_token() -> str | None:
    """Return the token of a Milvus server that the environment names."""
    return os.environ.get(MILVUS_TOKEN) or None

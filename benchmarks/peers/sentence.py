"""What the three backends of sentence-transformers share."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.peers import MAX_LENGTH, Pairs, Score


def cross_encoder(folder: Path, *, backend: str, model_options: Mapping[str, object]) -> Score:
    """Return a function from pairs to raw logits, through `CrossEncoder.predict`."""
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(
        str(folder), backend=backend, device="cpu", max_length=MAX_LENGTH, model_kwargs=dict(model_options)
    )
    raw = torch.nn.Identity()

    def score(pairs: Pairs) -> np.ndarray:
        return model.predict(pairs, activation_fn=raw, show_progress_bar=False)

    return score

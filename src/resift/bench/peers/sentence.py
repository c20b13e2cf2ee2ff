"""What the three backends of sentence-transformers share."""

from collections.abc import Mapping

import numpy as np

from resift.bench.peers import Job, Loaded, Pairs


def cross_encoder(job: Job, *, backend: str, model_options: Mapping[str, object]) -> Loaded:
    """Load a CrossEncoder; scores are raw logits through its `predict`."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(job.threads)
    model = CrossEncoder(
        str(job.folder), backend=backend, device="cpu", max_length=job.max_length, model_kwargs=dict(model_options)
    )
    raw = torch.nn.Identity()

    def score(pairs: Pairs) -> np.ndarray:
        return np.asarray(model.predict(pairs, activation_fn=raw, show_progress_bar=False))

    return Loaded(score)

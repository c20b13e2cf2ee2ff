"""FlagEmbedding's FlagReranker, as its manual calls it (batches of 128), or with smaller batches."""

import numpy as np

from resift.bench.peers import Job, Loaded, Pairs


def load(job: Job, *, batch_size: int = 128) -> Loaded:
    """Load the model in fp32."""
    import torch
    from FlagEmbedding import FlagReranker

    torch.set_num_threads(job.threads)
    reranker = FlagReranker(str(job.folder), devices="cpu", batch_size=batch_size, max_length=job.max_length)

    def score(pairs: Pairs) -> np.ndarray:
        return np.array(reranker.compute_score([list(pair) for pair in pairs]), dtype=np.float32).reshape(-1)

    return Loaded(score)

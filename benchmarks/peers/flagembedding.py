"""FlagEmbedding's FlagReranker, as its manual calls it (batches of 128), or with smaller batches."""

from pathlib import Path

import numpy as np

from benchmarks.peers import MAX_LENGTH, Pairs, Score


def load(folder: Path, threads: int, *, batch_size: int = 128) -> Score:
    import torch
    from FlagEmbedding import FlagReranker

    torch.set_num_threads(threads)
    reranker = FlagReranker(str(folder), devices="cpu", batch_size=batch_size, max_length=MAX_LENGTH)

    def score(pairs: Pairs) -> np.ndarray:
        return np.array(reranker.compute_score([list(pair) for pair in pairs]), dtype=np.float32)

    return score

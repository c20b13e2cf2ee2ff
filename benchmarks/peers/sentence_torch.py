"""sentence-transformers' CrossEncoder on torch, batches of 32 (its default)."""

from pathlib import Path

from benchmarks.peers import Score
from benchmarks.peers.sentence import cross_encoder


def load(folder: Path, threads: int) -> Score:
    import torch

    torch.set_num_threads(threads)
    return cross_encoder(folder, backend="torch", model_options={"torch_dtype": "float32"})

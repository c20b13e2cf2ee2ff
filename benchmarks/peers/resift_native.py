"""resift's native engine, fp32."""

from pathlib import Path

from benchmarks.peers import MAX_LENGTH, Score


def load(folder: Path, threads: int) -> Score:
    from resift import Reranker

    return Reranker(folder, backend="native", precision="fp32", threads=threads, max_length=MAX_LENGTH).score

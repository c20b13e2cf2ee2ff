"""Kinds and storages of `FaissIndex` side by side: processor time of building and of a search, bytes, recall.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.faiss_kinds --out table.json

Vectors are drawn here: points around 2000 centres in 32 dimensions, turned into 256 and given a little noise, because
vectors of texts, too, fill far fewer dimensions than they have. A query is a document's point, moved. Recall@10 is
against all vectors compared in fp32. Times are those of the processor, so that others on the machine change them less.
"""

import argparse
import json
import shutil
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from resift.retrieval import FaissIndex

CENTRES, LATENT = 2000, 32


def draw(count: int, queries: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, LATENT))
    points = centres[random.integers(0, CENTRES, count)] + 0.6 * random.standard_normal((count, LATENT))
    asked = points[random.integers(0, count, queries)] + 0.3 * random.standard_normal((queries, LATENT))
    turn = random.standard_normal((LATENT, dimension))
    return tuple(  # type: ignore[return-value]
        (rows @ turn + 0.5 * random.standard_normal((len(rows), dimension))).astype(np.float32)
        for rows in (points, asked)
    )


def measure(options: dict[str, Any], vectors: np.ndarray, queries: np.ndarray, truth: list[set[int]] | None) -> Any:
    folder = Path(tempfile.mkdtemp())
    try:
        start = time.process_time()
        index = FaissIndex.open(folder, dimension=vectors.shape[1], **options)
        index.add_vectors(np.arange(len(vectors)), vectors)
        built = time.process_time() - start
        index.save(mark=1)
        saved = time.process_time() - start - built
        found, seconds = [], []
        for query in queries:
            begin = time.process_time()
            found.append({int(hit.id) for hit in index.search_vector(query, top_k=10)})
            seconds.append(time.process_time() - begin)
        begin = time.process_time()
        index.search_vectors(queries, top_k=10)
        together = (time.process_time() - begin) / len(queries)
        right = None if truth is None else [len(a & b) / 10 for a, b in zip(found, truth, strict=True)]
        return found, {
            **options,
            "build_cpu_s": round(built, 2),
            "save_cpu_s": round(saved, 2),
            "bytes_per_vector": round(sum(one.stat().st_size for one in folder.iterdir()) / len(vectors)),
            "search_p50_cpu_ms": round(1000 * float(np.median(seconds)), 3),
            "search_p95_cpu_ms": round(1000 * float(np.quantile(seconds, 0.95)), 3),
            "batch_cpu_ms": round(1000 * together, 3),
            "recall@10": 1.0 if right is None else round(float(np.mean(right)), 4),
        }
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--out", type=Path, default=None, help="JSON; the table goes to stdout in any case")
    options = parser.parse_args()
    vectors, queries = draw(options.count, options.queries, options.dimension)
    truth, rows = None, []
    for kind, storage in product(("flat", "hnsw", "ivf"), ("fp32", "fp16", "int8")):
        found, row = measure({"kind": kind, "storage": storage}, vectors, queries, truth)
        truth = found if truth is None else truth  # the first row compares all, in fp32
        rows.append(row)
        print(*(f"{name}={value}" for name, value in row.items()), flush=True)
    if options.out is not None:
        options.out.write_text(
            json.dumps({"count": options.count, "dimension": options.dimension, "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()

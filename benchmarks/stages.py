"""What each stage of a pipeline is worth with the models of this package: nDCG@10 by stage, depth and blend.

    python -m benchmarks.stages DATASET [DATASET ...] --stores bm25,faiss --questions 100 --save stages.json

A dataset is what `resift eval` reads, with documents. Questions are the first ones of a seeded shuffle.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.cpu import commit
from resift import Pipeline, __version__
from resift.evaluation import read_dataset, select


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each dataset, print its table, and the mean over all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__.split("\n")[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--stores", default="bm25")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--depths", type=int, nargs="+", default=[5, 10, 20, 50, 100])
    parser.add_argument("--blends", type=float, nargs="+", default=[0.3, 0.5, 0.7, 1.0])
    parser.add_argument("--save", type=Path)
    options = parser.parse_args(arguments)
    found = {}
    for name in options.datasets:
        found[Path(name).name] = rows = _measured(name, options)
        print(Path(name).name, *(f"{row['name']}: {row['ndcg']:.4f}" for row in rows), sep="\n  ", flush=True)
    means = {
        row["name"]: round(float(np.mean([rows[place]["ndcg"] for rows in found.values()])), 4)
        for place, row in enumerate(next(iter(found.values())))
    }
    print("mean", *(f"{name}: {value:.4f}" for name, value in means.items()), sep="\n  ")
    if options.save is not None:
        settings = {"stores": options.stores, "questions": options.questions}
        report = {"kind": "stages", "resift": __version__, "commit": commit(), "settings": settings}
        options.save.write_text(json.dumps({**report, "mean": means, "datasets": found}, indent=1) + "\n")


def _measured(name: str, options: argparse.Namespace) -> list[dict[str, object]]:
    dataset = select(read_dataset(name), limit=options.questions, seed=0)
    with tempfile.TemporaryDirectory() as folder, Pipeline.create(folder, stores=options.stores.split(",")) as pipeline:
        pipeline.add({"id": id, "text": text} for id, text in dataset.documents.items())
        judged = [(query.text, dataset.qrels.get(query.id, {})) for query in dataset.queries.values()]
        judged = [(text, grades) for text, grades in judged if any(grade > 0 for grade in grades.values())]
        measured = pipeline.measure(
            [text for text, _ in judged],
            [grades for _, grades in judged],
            depths=options.depths,
            blends=options.blends,
        )
    return [{"name": row.name, **asdict(row)} for row in measured.rows]


if __name__ == "__main__":
    main()

"""Write fusion.json: fused scores as ranx gives them (pip install ranx==0.3.21).

Random lists without equal scores, of different lengths, some documents in several of them. Ids are equally long: ranx
cuts those of later lists to the length of the first list's.

    python tests/golden/make_fusion.py
"""

import json
import random
from pathlib import Path
from typing import Any

from ranx import Run
from ranx.fusion import rrf, wsum
from ranx.normalization import borda_norm, max_norm, min_max_norm, rank_norm, zmuv_norm

FILE = Path(__file__).with_name("fusion.json")
NORMS = {"min-max": min_max_norm, "max": max_norm, "z-score": zmuv_norm, "rank": rank_norm}


def lists(draw: random.Random) -> list[dict[str, float]]:
    """Return a list of scored documents per retriever, best first."""
    found = []
    for _ in range(draw.randint(2, 3)):
        names = draw.sample([f"d{i}" for i in range(10, 25)], draw.randint(2, 10))
        scores = sorted((round(draw.uniform(0.5, 30), 3) for _ in names), reverse=True)
        found.append(dict(zip(names, scores, strict=True)))
    return found


def fused(run: Run) -> dict[str, float]:
    return {name: float(score) for name, score in run.to_dict()["q"].items()}


def main() -> None:
    draw = random.Random(7)
    cases: list[dict[str, Any]] = []
    for _ in range(12):
        given = lists(draw)
        assert all(len(set(one.values())) == len(one) for one in given)
        weights = [round(draw.uniform(0.1, 2), 2) for _ in given]
        runs = [Run({"q": one}) for one in given]
        values = {"rrf": fused(rrf(runs, k=60)), "rrf-10": fused(rrf(runs, k=10))}
        for name, norm in NORMS.items():
            values[name] = fused(wsum([norm(run) for run in runs], weights))
        values["borda"] = fused(wsum(borda_norm(runs), weights))
        values["none"] = fused(wsum(runs, weights))
        cases.append({"lists": given, "weights": weights, "fused": values})
    FILE.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

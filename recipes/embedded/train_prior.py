"""Stage 6: the prior: a linear part and a few hidden units on the match features, trained on the mined lists.

The first call computes the features of a sample of lists and keeps them beside the lists; writes `prior.npz`.
"""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import FEATURES, Matcher

KINDS = ("passage", "sentence", "heading", "cross", "cross-sentence")
# How much each kind of list weighs, whatever its number of lists.
WEIGHTS = (1.0, 1.5, 0.4, 0.8, 0.4)
_STATE: dict[str, object] = {}


def tables(idf: Path, vectors: Path) -> dict[str, NDArray[np.generic]]:
    """Return the matcher's tables with a prior of nothing."""
    data, n = np.load(idf), len(FEATURES)
    unit = np.load(vectors).astype(np.float32)
    found = {"gram_idf": data["gram_idf"], "token_idf": data["token_idf"]}
    found["vectors"] = np.clip(np.rint(unit * 127), -127, 127).astype(np.int8)
    zeros = {"mean": n, "scale": n, "skip": n + 1, "b1": 1, "w2": 1}
    return found | {f"prior.{k}": np.zeros(v) for k, v in zeros.items()} | {"prior.w1": np.zeros((n, 1))}


def _start(tokenizer: str, idf: Path, vectors: Path, lists: Path) -> None:
    data = np.load(lists)
    _STATE["data"] = {k: data[k] for k in ("ids", "offsets", "query", "candidates")}
    _STATE["matcher"] = Matcher(Tokenizer.from_file(tokenizer), tables(idf, vectors))


def _features(row: int) -> NDArray[np.float32]:
    data, matcher = _STATE["data"], _STATE["matcher"]

    def text(i: int) -> NDArray[np.int64]:
        return data["ids"][data["offsets"][i] : data["offsets"][i + 1]].astype(np.int64)

    query = matcher.encode_query(text(data["query"][row]))
    found = np.zeros((data["candidates"].shape[1], len(FEATURES)), np.float32)
    for j, candidate in enumerate(data["candidates"][row]):
        if candidate >= 0:
            found[j] = matcher.features(query, text(candidate))
    return found


def compute(arguments: argparse.Namespace) -> dict[str, NDArray[np.generic]]:
    """Return the features of a sample of lists, evened out over kind and language."""
    data = np.load(arguments.lists)
    group = data["kind"].astype(int) * 64 + data["language"]
    rng, chosen = np.random.default_rng(arguments.seed), []
    for g in np.unique(group):
        mine = np.flatnonzero(group == g)
        chosen.append(rng.choice(mine, min(len(mine), arguments.per_group), replace=False))
    rows = rng.permutation(np.concatenate(chosen))
    start = (str(arguments.tokenizer), arguments.idf, arguments.vectors, arguments.lists)
    with get_context("fork").Pool(arguments.workers, _start, start) as pool:
        features = np.stack(pool.map(_features, rows.tolist(), chunksize=64))
    keep = ("positives", "kind", "language", "held_out")
    return {"features": features, "real": data["candidates"][rows] >= 0} | {k: data[k][rows] for k in keep}


def losses(scores: torch.Tensor, real: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return -log of the probability that softmax gives to the positives together, per list."""
    scores = scores.masked_fill(~real, -torch.inf)
    wanted = torch.arange(scores.shape[1]) < positives[:, None]
    return torch.logsumexp(scores, 1) - torch.logsumexp(scores.masked_fill(~wanted, -torch.inf), 1)


def train(data: dict[str, NDArray[np.generic]], hidden: int, epochs: int) -> dict[str, NDArray[np.float64]]:
    """Fit on the lists that are not held out; print the losses and accuracies of those that are."""
    x = torch.from_numpy(data["features"]).double()
    real, positives = torch.from_numpy(data["real"]), torch.from_numpy(data["positives"]).long()
    kind, held_out = torch.from_numpy(data["kind"]).long(), torch.from_numpy(data["held_out"])
    flat = x[real]
    mean, scale = flat.mean(0), 1 / (flat.std(0) + 1e-3)
    x = (x - mean) * scale
    n = len(FEATURES)
    skip = torch.zeros(n + 1, dtype=torch.double, requires_grad=True)
    w1 = (torch.randn(n, hidden, dtype=torch.double) / n**0.5).requires_grad_(True)
    b1 = torch.zeros(hidden, dtype=torch.double, requires_grad=True)
    w2 = (torch.randn(hidden, dtype=torch.double) * 0.1).requires_grad_(True)
    parameters = [skip, w1, b1, w2]

    def score(x: torch.Tensor) -> torch.Tensor:
        return x @ skip[:-1] + skip[-1] + torch.relu(x @ w1 + b1) @ w2

    pairs = torch.bincount(kind[~held_out], minlength=len(WEIGHTS)).clamp(min=1)
    weight = (torch.tensor(WEIGHTS) / pairs)[kind] * len(kind) / sum(WEIGHTS)
    optimiser = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=1e-4)
    rows = torch.nonzero(~held_out).squeeze(1)
    size = 512
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=epochs * (len(rows) // size))
    for epoch in range(epochs):
        order = rows[torch.randperm(len(rows))]
        for at in range(0, len(order) - size + 1, size):
            b = order[at : at + size]
            loss = (losses(score(x[b]), real[b], positives[b]) * weight[b]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 5 == 4 or epoch == epochs - 1:
            report(epoch, score(x).detach(), real, positives, kind, held_out)
    # A logit near 0 for an even chance on the training pairs: only the order matters until calibrated.
    with torch.no_grad():
        found = score(x).masked_fill(~real, -torch.inf)
        skip[-1] -= ((found.max(1).values + found[:, :-1].masked_fill(~real[:, :-1], 0).mean(1)) / 2).mean()
    names = ("mean", "scale", "skip", "w1", "b1", "w2")
    return {k: v.detach().numpy() for k, v in zip(names, (mean, scale, *parameters), strict=True)}


def report(
    epoch: int, scores: torch.Tensor, real: torch.Tensor, positives: torch.Tensor, kind: torch.Tensor, held: torch.Tensor
) -> None:
    """Print loss and share of lists with a positive first, per kind, on the held-out lists."""
    loss = losses(scores, real, positives)
    first = scores.masked_fill(~real, -torch.inf).argmax(1) < positives
    parts = [
        f"{KINDS[k]} {loss[held & (kind == k)].mean():.3f}/{first[held & (kind == k)].double().mean():.3f}"
        for k in range(len(KINDS))
        if bool((held & (kind == k)).any())
    ]
    print(f"epoch {epoch} held out loss/first: {' '.join(parts)}", flush=True)


def main() -> None:
    """Compute or reuse the features, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--idf", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="kept here; computed where missing")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-group", type=int, default=700, help="lists of one kind and language")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(2)
    if not arguments.features.exists():
        start = time.time()
        np.savez(arguments.features, **compute(arguments))
        print(f"features in {time.time() - start:.0f} s")
    np.savez(arguments.out, **train(dict(np.load(arguments.features)), arguments.hidden, arguments.epochs))


if __name__ == "__main__":
    main()

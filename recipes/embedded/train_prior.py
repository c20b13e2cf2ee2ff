"""Stage 6: the prior: weights of the match features, learnt on real questions and their BM25 lists.

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
from build_pairs import MAIN
from numpy.typing import NDArray
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import FEATURES, Matcher

KINDS = ("passage", "sentence", "heading", "cross", "cross-sentence")
# How much each kind of list weighs, whatever its number of lists.
WEIGHTS = (1.0, 1.0, 0.0, 0.5, 0.25)
# The languages (of `build_pairs.MAIN`) whose questions are plentiful and natural, and their weights.
LANGUAGES = {
    "zh": 2.0,
    "ja": 2.0,
    "en": 1.0,
    "th": 1.0,
    "ko": 1.0,
    "ar": 1.0,
    "es": 1.0,
    "de": 1.0,
    "hi": 1.0,
    "vi": 1.0,
}
# Where several sentences may be the answer, this picks the one that stands for it.
GUESS = {
    "coarse_saturation": 8.0,
    "coarse_flat": 4.0,
    "fine_saturation": 4.0,
    "token_saturation": 4.0,
    "bigram_cover": 2.5,
    "window_short": 4.0,
    "window_long": 2.5,
    "similar_low": 5.0,
    "similar_mean": 2.5,
}
UNUSED = ("same_script",)  # tells how a list was drawn
# Added after the fit. The mined lists come from wide pools, where rare words tell texts apart; candidates of a search
# share a topic and its rare words. Chosen on a sample of the development sets.
ADDED = {"coarse_flat": 2.5}
BATCH = 256
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
    # Real questions only: the vectors have seen the headings and the parallel sentences.
    for g in np.unique(group[data["gold"]]):
        mine = np.flatnonzero((group == g) & data["gold"])
        chosen.append(rng.choice(mine, min(len(mine), arguments.per_group), replace=False))
    rows = rng.permutation(np.concatenate(chosen))
    start = (str(arguments.tokenizer), arguments.idf, arguments.vectors, arguments.lists)
    with get_context("fork").Pool(arguments.workers, _start, start) as pool:
        features = np.stack(pool.map(_features, rows.tolist(), chunksize=64))
    keep = ("positives", "kind", "language", "held_out")
    return {"features": features, "real": data["candidates"][rows] >= 0} | {k: data[k][rows] for k in keep}


class Data:
    """The lists as tensors, each with one positive."""

    def __init__(self, data: dict[str, NDArray[np.generic]]) -> None:
        """Choose each list's positive, and the weights of the lists."""
        self.features, self.real = torch.from_numpy(data["features"]), torch.from_numpy(data["real"])
        self.kind, self.held_out = torch.from_numpy(data["kind"]).long(), torch.from_numpy(data["held_out"])
        wanted = torch.arange(self.real.shape[1]) < torch.from_numpy(data["positives"]).long()[:, None]
        guess = self.features @ torch.tensor([GUESS.get(f, 0.0) for f in FEATURES])
        self.positive = guess.masked_fill(~wanted, -torch.inf).argmax(1, keepdim=True)
        self.negatives = self.real & ~wanted
        language = torch.zeros(64)
        for name, weight in LANGUAGES.items():
            language[MAIN.index(name)] = weight
        self.weight = language[torch.from_numpy(data["language"]).long()]
        # Of the lists across languages only those across scripts: there no shared word helps.
        same = self.features[:, :, FEATURES.index("same_script")]
        mixed = (same * self.real).sum(1) / self.real.sum(1) > 0.5
        self.weight[(self.kind >= KINDS.index("cross")) & mixed] = 0
        for k, wanted_total in enumerate(WEIGHTS):
            mine = self.kind == k
            self.weight[mine] *= wanted_total / self.weight[mine & ~self.held_out].sum().clamp(min=1e-6)
        self.weight /= self.weight.mean()

    def losses(self, scores: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return -log softmax of the positive among the negatives, and its reciprocal rank [rows]."""
        best = scores.gather(1, self.positive[rows])
        negatives = scores.masked_fill(~self.negatives[rows], -torch.inf)
        loss = torch.logsumexp(torch.cat([best, negatives], 1), 1) - best.squeeze(1)
        return loss, 1 / (1 + (negatives >= best).sum(1))


def train(arguments: argparse.Namespace, data: Data) -> dict[str, NDArray[np.float64]]:
    """Fit on the lists that are not held out; print the losses and ranks of those that are."""
    flat = data.features[data.real]
    used = torch.tensor([f not in UNUSED for f in FEATURES]).float()
    mean, scale = flat.mean(0), used / (flat.std(0) + 1e-3)
    x, n, hidden = (data.features - mean) * scale, len(FEATURES), max(arguments.hidden, 1)
    skip = torch.full((n,), 0.1, requires_grad=True)
    w1, b1 = (torch.randn(n, hidden) / n**0.5).requires_grad_(True), torch.zeros(hidden, requires_grad=True)
    w2 = torch.zeros(hidden, requires_grad=arguments.hidden > 0)

    def score(x: torch.Tensor) -> torch.Tensor:
        # A match never counts against a document.
        return x @ skip.clamp(min=0) + torch.relu(x @ w1 + b1) @ w2

    optimiser = torch.optim.AdamW([skip, w1, b1, w2], weight_decay=arguments.decay)
    train_rows, held = torch.nonzero(~data.held_out).squeeze(1), torch.nonzero(data.held_out).squeeze(1)
    steps = arguments.epochs * (len(train_rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-2, total_steps=steps)
    for epoch in range(arguments.epochs):
        for rows in train_rows[torch.randperm(len(train_rows))].split(BATCH)[:-1]:
            loss = (data.losses(score(x[rows]), rows)[0] * data.weight[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 4 == 3:
            found, rank = data.losses(score(x[held]).detach(), held)
            parts = [
                f"{name} {found[data.kind[held] == k].mean():.3f}/{rank[data.kind[held] == k].mean():.4f}"
                for k, name in enumerate(KINDS)
                if bool((data.kind[held] == k).any())
            ]
            print(f"epoch {epoch} held out loss/mrr: {' '.join(parts)}", flush=True)
    skip = skip.detach().clamp(min=0) * used + torch.tensor([ADDED.get(f, 0.0) for f in FEATURES])
    found = score(x).detach()
    # Logit 0 between the answers and the best of the others, so that a sigmoid says something.
    best = found.masked_fill(~data.negatives, -torch.inf).amax(1)
    middle = ((found.gather(1, data.positive).squeeze(1) + best) / 2 * data.weight).mean() / data.weight.mean()
    skip = torch.cat([skip, -middle[None]])
    for name, weight in zip(FEATURES, skip, strict=False):
        print(f"{name:20} {weight:.3f}")
    names = ("mean", "scale", "skip", "w1", "b1", "w2")
    return {k: v.detach().numpy() for k, v in zip(names, (mean, scale, skip, w1, b1, w2), strict=True)}


def main() -> None:
    """Compute or reuse the features, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--idf", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="kept here; computed where missing")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-group", type=int, default=200, help="lists of one kind and language")
    parser.add_argument("--hidden", type=int, default=0, help="units beside the linear part")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    if not arguments.features.exists():
        start = time.time()
        np.savez(arguments.features, **compute(arguments))
        print(f"features in {time.time() - start:.0f} s")
    np.savez(arguments.out, **train(arguments, Data(dict(np.load(arguments.features)))))


if __name__ == "__main__":
    main()

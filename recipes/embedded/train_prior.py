"""Stage 9: the prior: weights of the match features, learnt on real questions and BM25 lists (`mine.py --narrow`).

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
from export_embedder import quantised
from mine import HELD_OUT_BUCKETS
from numpy.typing import NDArray
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import FEATURES, Matcher

KINDS = ("passage", "sentence", "heading", "cross", "cross-sentence")
# How much each kind of list weighs, whatever its number of lists; within a kind its languages weigh the same but for:
WEIGHTS = (0.5, 1.0, 0.0, 0.5, 0.25)
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
# The words' part is that of the first version (where the weight of `coarse_flat` was chosen on a sample of the
# development sets) and stays as it is: fitted with the rest it shrinks, because lists do not say which sentence of the
# right passage answers, and vectors tell passages better than sentences.
LEXICAL = {
    "coarse_bm25": 4.606, "coarse_saturation": 1.799, "coarse_flat": 23.246, "fine_saturation": 3.685,
    "token_saturation": 2.742, "bigram_cover": 4.949, "window_short": 1.552, "window_long": 1.036, "digit_cover": 1.672,
}  # fmt: skip
# Of several sentences that may be the answer, the one with the most of the question's words stands for it.
GUESS = ("coarse_saturation", "fine_saturation", "window_long")
UNUSED = ("same_script",)  # tells how a list was drawn
_STATE: dict[str, object] = {}


def tables(idf: Path, vectors: Path) -> dict[str, NDArray[np.generic]]:
    """Return the matcher's tables with a prior of nothing."""
    data, n = np.load(idf), len(FEATURES)
    found = {name: data[name] for name in ("gram_idf", "token_idf", "sound_idf")} | quantised(np.load(vectors))
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
    # Real questions that the vectors have not seen.
    fresh = data["gold"] & (data["bucket"] < HELD_OUT_BUCKETS)
    for g in np.unique(group[fresh]):
        mine = np.flatnonzero((group == g) & fresh)
        chosen.append(rng.choice(mine, min(len(mine), arguments.per_group), replace=False))
    rows = rng.permutation(np.concatenate(chosen))
    start = (str(arguments.tokenizer), arguments.idf, arguments.vectors, arguments.lists)
    with get_context("fork").Pool(arguments.workers, _start, start) as pool:
        features = np.stack(pool.map(_features, rows.tolist(), chunksize=64))
    keep = ("positives", "kind", "language", "held_out")
    return {"features": features, "real": data["candidates"][rows] >= 0} | {k: data[k][rows] for k in keep}


class Data:
    """The lists as tensors, each with the texts that answer and those that do not."""

    def __init__(self, data: dict[str, NDArray[np.generic]]) -> None:
        """Standardise the features, choose the sentences, weigh the lists."""
        features, real = torch.from_numpy(data["features"]), torch.from_numpy(data["real"])
        self.kind, self.held_out = torch.from_numpy(data["kind"]).long(), torch.from_numpy(data["held_out"])
        self.language = torch.from_numpy(data["language"]).long()
        self.mean, self.deviation = features[real].mean(0), features[real].std(0) + 1e-3
        self.x = (features - self.mean) / self.deviation
        self.positives = real & (torch.arange(real.shape[1]) < torch.from_numpy(data["positives"]).long()[:, None])
        guess = self.x[:, :, [FEATURES.index(f) for f in GUESS]].sum(2).masked_fill(~self.positives, -torch.inf)
        sentences = self.kind == KINDS.index("sentence")
        chosen = torch.zeros_like(real).scatter_(1, guess.argmax(1, keepdim=True), value=True)
        self.positives[sentences] = chosen[sentences]
        self.negatives = real & ~self.positives
        self.fit = self.negatives.sum(1) >= 8
        weight = torch.tensor([LANGUAGES.get(name, 0.5) for name in [*MAIN, ""]])[self.language]
        self.weight = torch.zeros(len(weight))
        for kind, total in enumerate(WEIGHTS):
            mine = (self.kind == kind) & self.fit & ~self.held_out
            share = weight[mine] / torch.bincount(self.language[mine], minlength=1)[self.language[mine]]
            self.weight[mine] = share / share.sum().clamp(min=1e-6) * total
        self.weight /= self.weight[self.fit & ~self.held_out].mean()

    def losses(self, scores: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return -log of the positives' share of the softmax, and the best one's reciprocal rank [rows]."""
        positives = scores.masked_fill(~self.positives[rows], -torch.inf)
        negatives = scores.masked_fill(~self.negatives[rows], -torch.inf)
        loss = torch.logsumexp(torch.cat([positives, negatives], 1), 1) - torch.logsumexp(positives, 1)
        return loss, 1 / (1 + (negatives >= positives.amax(1, keepdim=True)).sum(1))

    def report(self, weights: torch.Tensor, name: str) -> None:
        """Print the mean reciprocal rank of the held-out lists: each kind's mean over its languages."""
        rows = torch.nonzero(self.held_out & self.fit).squeeze(1)
        rank = self.losses(self.x[rows] @ weights, rows)[1]
        parts = []
        for kind, title in enumerate(KINDS):
            mine = [rank[(self.kind[rows] == kind) & (self.language[rows] == x)] for x in range(len(MAIN) + 1)]
            if found := [float(some.mean()) for some in mine if len(some) >= 5]:
                parts.append(f"{title} {np.mean(found):.4f}")
        print(f"{name:16} {' '.join(parts)}", flush=True)


def train(arguments: argparse.Namespace, data: Data) -> dict[str, NDArray[np.float64]]:
    """Fit on the lists that are not held out; print the ranks of those that are."""
    lexical = torch.tensor([LEXICAL.get(f, 0.0) for f in FEATURES]) * data.deviation
    learnt = torch.tensor([float(f not in LEXICAL and f not in UNUSED) for f in FEATURES])
    rows = torch.nonzero(data.fit & ~data.held_out).squeeze(1)
    x, weight = data.x[rows], data.weight[rows]
    more = torch.full((len(FEATURES),), 0.1, requires_grad=True)
    optimiser = torch.optim.Adam([more], lr=5e-2)
    for _ in range(arguments.steps):
        found = data.losses(x @ (lexical + more * learnt), rows)[0]
        loss = (found * weight).mean() + arguments.decay * (more * learnt).pow(2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            more.clamp_(min=0)  # a match never counts against a document
    skip = lexical + (more * learnt).detach()
    alone = {name: torch.tensor([float(f == name) for f in FEATURES]) for name in ("coarse_bm25", "bag")}
    for name, weights in {**alone, "words": lexical, "words + learnt": skip}.items():
        data.report(weights, name)
    # Logit 0 between the answers and the best of the others, so that a sigmoid says something.
    scores = data.x[rows] @ skip
    best = scores.masked_fill(~data.negatives[rows], -torch.inf).amax(1)
    answer = scores.masked_fill(~data.positives[rows], -torch.inf).amax(1)
    middle = ((answer + best) / 2 * weight).mean() / weight.mean()
    for name, value in zip(FEATURES, skip, strict=True):
        print(f"{name:20} {value:.3f}")
    n = len(FEATURES)
    zeros = {"w1": np.zeros((n, 1)), "b1": np.zeros(1), "w2": np.zeros(1)}
    fitted = {"mean": data.mean, "scale": 1 / data.deviation, "skip": torch.cat([skip, -middle[None]])}
    return {k: v.numpy() for k, v in fitted.items()} | zeros


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
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--decay", type=float, default=1e-3)
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

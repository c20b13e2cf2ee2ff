"""Stage 4: small token vectors that agree over languages.

Two phases over the pairs, both with the other pairs of the batch as negatives. First the cosine of idf-weighted bags,
which is cheap and pulls translations together; then the score that the matcher uses: for every query token its best
document token.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from texts import Texts
from torch.nn.functional import cross_entropy, embedding_bag, normalize


def groups(texts: Texts, rng: np.random.Generator, size: int) -> Iterator[NDArray[np.int32]]:
    """Yield batches of pairs whose second texts share a language, for ever; directions are drawn at random."""
    while True:
        # Questions stay out: the prior and the network learn on them how far similarity is to be trusted.
        pairs = texts.pairs[texts.pairs[:, 2] != 2]
        swap = (rng.random(len(pairs)) < 0.5) & (pairs[:, 2] == 0)
        pairs[swap, 0], pairs[swap, 1] = pairs[swap, 1], pairs[swap, 0]
        rng.shuffle(pairs)
        pairs = pairs[np.argsort(texts.language[pairs[:, 1]], kind="stable")]
        starts = np.flatnonzero(np.diff(texts.language[pairs[:, 1]], prepend=-1))
        batches = [
            rows[at : at + size]
            for rows in np.split(pairs, starts[1:])
            for at in range(0, len(rows), size)
            if len(rows) - at >= size // 4
        ]
        for i in rng.permutation(len(batches)):
            yield batches[i]


def bags(weight: torch.Tensor, idf: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the normalised idf-weighted sums of unit vectors."""
    offsets = torch.cumsum(lengths, 0) - lengths
    used, where = torch.unique(ids, return_inverse=True)
    unit = normalize(weight[used], dim=1)
    return normalize(embedding_bag(where, unit, offsets, mode="sum", per_sample_weights=idf[ids]), dim=1)


def best_tokens(
    weight: torch.Tensor, idf: torch.Tensor, q: tuple[torch.Tensor, ...], d: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    """Return the scores [queries, documents]: mean over query tokens, by idf, of the best cosine."""
    (query_ids, query_lengths), (ids, lengths) = q, d
    unit_q, unit_d = normalize(weight[query_ids], dim=1), normalize(weight[ids], dim=1)
    # Documents padded with their own first token: it changes no maximum.
    offsets = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(int(lengths.max()))
    rows = offsets[:, None] + torch.where(place < lengths[:, None], place, 0)  # [documents, longest]
    with torch.no_grad():
        best = (unit_q @ unit_d[rows.flatten()].T).view(len(unit_q), *rows.shape).argmax(2)
    best = torch.gather(rows.expand(len(unit_q), -1, -1), 2, best[:, :, None]).squeeze(2)
    value = torch.einsum("qd,qnd->qn", unit_q, unit_d[best])
    owner = torch.repeat_interleave(torch.arange(len(query_lengths)), query_lengths)
    weights = idf[query_ids][:, None]
    total = torch.zeros(len(query_lengths), len(lengths)).index_add_(0, owner, value * weights)
    return total / torch.zeros(len(query_lengths), 1).index_add_(0, owner, weights)


def train(arguments: argparse.Namespace, texts: Texts, idf: torch.Tensor, weight: torch.Tensor, phase: str) -> None:
    """Train one phase in place for its number of seconds."""
    rng = np.random.default_rng(arguments.seed)
    size, seconds, rate = {
        "bags": (arguments.bag_batch, arguments.bag_seconds, 5e-3),
        "best": (arguments.best_batch, arguments.best_seconds, 1e-3),
    }[phase]
    scale = torch.tensor(20.0, requires_grad=True)
    optimiser = torch.optim.Adam([{"params": [weight]}, {"params": [scale], "lr": 0.05}], lr=rate, betas=(0.9, 0.99))
    start, losses = time.time(), []
    for step, rows in enumerate(groups(texts, rng, size), start=1):
        done = (time.time() - start) / seconds
        if done >= 1:
            break
        optimiser.param_groups[0]["lr"] = rate * (1 - done) + 1e-5
        limits = (24, 40) if phase == "best" else (64, 96)
        q = tuple(torch.from_numpy(x) for x in texts.gather(rows[:, 0], limits[0]))
        d = tuple(torch.from_numpy(x) for x in texts.gather(rows[:, 1], limits[1]))
        in_bags = phase == "bags"
        scores = bags(weight, idf, *q) @ bags(weight, idf, *d).T if in_bags else best_tokens(weight, idf, q, d)
        # The same text twice in a batch is no negative.
        same = torch.from_numpy(rows[:, 1][:, None] == rows[:, 1]) & ~torch.eye(len(rows), dtype=torch.bool)
        same |= torch.from_numpy(rows[:, 0][:, None] == rows[:, 0]) & ~torch.eye(len(rows), dtype=torch.bool)
        logits = (scores * scale.clamp(1, 100)).masked_fill(same, -1e4)
        loss = cross_entropy(logits, torch.arange(len(rows)))
        if phase == "bags":
            loss = (loss + cross_entropy(logits.T, torch.arange(len(rows)))) / 2
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % 50 == 0:
            spent = time.time() - start
            print(f"{phase} {step} {spent:.0f}s loss {np.mean(losses[-50:]):.3f} scale {scale.item():.1f}", flush=True)


def main() -> None:
    """Train both phases and save float16 unit vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--idf", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="vectors to go on from")
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--bag-batch", type=int, default=2048)
    parser.add_argument("--bag-seconds", type=float, default=300)
    parser.add_argument("--best-batch", type=int, default=128)
    parser.add_argument("--best-seconds", type=float, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    texts = Texts(arguments.texts)
    idf = torch.from_numpy(np.load(arguments.idf)["token_idf"].astype(np.float32)) / 24
    weight = torch.randn(len(idf), arguments.dimension)
    if arguments.start:
        weight = torch.from_numpy(np.load(arguments.start).astype(np.float32))
    weight.requires_grad_(True)
    phases = {"bags": arguments.bag_seconds, "best": arguments.best_seconds}
    for phase in (name for name, seconds in phases.items() if seconds > 0):
        train(arguments, texts, idf, weight, phase)
        np.save(arguments.out, normalize(weight.detach(), dim=1).numpy().astype(np.float16))


if __name__ == "__main__":
    main()

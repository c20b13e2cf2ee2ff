"""Stage 7: the embedder's token vectors, by contrast with the other pairs of a large batch.

A text is the sum of its tokens' vectors, brought to length 1; a batch's pairs must find one another among all (InfoNCE
in both directions), with the first 64 numbers alone too (Matryoshka). `--teacher`, the vectors of English texts by a
sentence encoder (`teacher_vectors.py`), adds: where a pair has an English side, its likeness to the batch's other pairs
shall be the teacher's, whatever language the texts are in. Checkpoints; a second call goes on.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from build_embedder_pairs import KINDS, LEXICON, TRANSLATION
from mine import HELD_OUT_BUCKETS
from numpy.typing import NDArray
from scipy import sparse
from texts import Texts
from torch.nn.functional import cross_entropy, kl_div, log_softmax, normalize

# How often a kind of pair is drawn; within a kind, a language by the root of its number of pairs.
SHARES = {"translation": 0.40, "heading": 0.12, "question": 0.20, "cloze": 0.08, "lexicon": 0.08, "cross-heading": 0.12}
LIMITS = (96, 160)  # tokens that are read of a first and a second text
SMALL = 64  # numbers of the smaller vector that is trained along


class Bag(torch.autograd.Function):
    """Sums of rows, `counts @ weight[used]`, sparse in both directions."""

    @staticmethod
    def forward(ctx, weight, used, counts):  # noqa: ANN001, ANN205, D102
        ctx.save_for_backward(used)
        ctx.counts, ctx.shape = counts, weight.shape
        return torch.from_numpy(counts @ weight.detach().numpy()[used.numpy()])

    @staticmethod
    def backward(ctx, gradient):  # noqa: ANN001, ANN205, D102
        (used,) = ctx.saved_tensors
        whole = torch.zeros(ctx.shape)
        whole[used] = torch.from_numpy(ctx.counts.T @ gradient.numpy())
        return whole, None, None


class Pairs:
    """The pairs to train on, drawn group by group."""

    def __init__(self, path: Path, teacher: Path | None, seed: int) -> None:
        """Group the pairs by kind and language of the second text; match the teacher's texts by their tokens."""
        self.texts, self.rng = Texts(path), np.random.default_rng(seed)
        bucket = np.load(path)["bucket"]
        pairs = self.texts.pairs[(bucket < 0) | (bucket >= HELD_OUT_BUCKETS)]
        lengths = np.diff(self.texts.offsets)
        self.pairs = pairs[(lengths[pairs[:, 0]] > 0) & (lengths[pairs[:, 1]] > 0)]
        self.taught = np.full(len(self.texts), -1, np.int64)
        self.teacher = None
        if teacher is not None:
            self._match(np.load(teacher))
        language = self.texts.language
        group = self.pairs[:, 2].astype(np.int64) * 1000 + language[self.pairs[:, 1]]
        mixed = np.isin(self.pairs[:, 2], (TRANSLATION, LEXICON))
        self.groups: dict[str, list[NDArray[np.int64]]] = {}
        for kind, name in enumerate(KINDS):
            mine = [np.flatnonzero(group == g) for g in np.unique(group[self.pairs[:, 2] == kind])]
            self.groups[name] = [g for g in mine if len(g) >= 200]
        self.mixed = {k: np.flatnonzero(mixed & (self.pairs[:, 2] == k)) for k in (TRANSLATION, LEXICON)}
        # Which pairs of each language couple there are, so that the mixed batches even them out too.
        couple = language[self.pairs[:, 0]].astype(np.int64) * 1000 + language[self.pairs[:, 1]]
        _, where, counts = np.unique(couple, return_inverse=True, return_counts=True)
        chance = counts[where] ** -0.5
        self.chance = {k: chance[rows] / chance[rows].sum() for k, rows in self.mixed.items()}
        if self.teacher is not None:
            first, second = self.taught[self.pairs[:, 0]], self.taught[self.pairs[:, 1]]
            same = np.isin(self.pairs[:, 2], (TRANSLATION, LEXICON))
            self.first = np.where((first < 0) & same, second, first)
            self.second = np.where((second < 0) & same, first, second)
            both = np.flatnonzero((self.first >= 0) & (self.second >= 0))
            self.teachable = {k: both[self.pairs[both, 2] == k] for k in np.unique(self.pairs[both, 2])}

    def _match(self, data: np.lib.npyio.NpzFile) -> None:
        ids, offsets = data["ids"], data["offsets"]
        known = {ids[offsets[i] : offsets[i + 1]].tobytes(): i for i in range(len(offsets) - 1)}
        for i in range(len(self.texts)):
            raw = self.texts.ids[self.texts.offsets[i] : self.texts.offsets[i + 1]]
            self.taught[i] = known.get(raw.tobytes(), -1)
        self.teacher = torch.from_numpy(data["vectors"].astype(np.float32))

    def draw(self, kind: str, size: int) -> NDArray[np.int64]:
        """Return rows of pairs of one kind: of one language, or for translations now and then of all."""
        code = KINDS.index(kind)
        if code in self.mixed and self.rng.random() < 0.5:
            return self.rng.choice(self.mixed[code], size, p=self.chance[code])
        groups = self.groups[kind]
        chances = np.array([len(g) for g in groups]) ** 0.5
        rows = groups[self.rng.choice(len(groups), p=chances / chances.sum())]
        if kind == "question" and len(rows) > size and self.rng.random() < 0.5:
            # Texts are numbered as they came, so neighbours are of one article: harder negatives.
            ordered = rows[np.argsort(self.pairs[rows, 1], kind="stable")]
            starts = self.rng.integers(0, len(rows) - 32, size // 32)
            return ordered[(starts[:, None] + np.arange(32)).ravel()]
        return self.rng.choice(rows, min(size, len(rows)), replace=False)

    def draw_taught(self, size: int) -> NDArray[np.int64]:
        """Return rows that the teacher knows both sides of."""
        kinds = sorted(self.teachable)
        chances = np.array([len(self.teachable[k]) for k in kinds]) ** 0.5
        rows = self.teachable[kinds[self.rng.choice(len(kinds), p=chances / chances.sum())]]
        return self.rng.choice(rows, min(size, len(rows)), replace=False)

    def bags(self, which: NDArray[np.int64], limit: int, dropout: float) -> tuple[torch.Tensor, sparse.csr_matrix]:
        """Return the tokens in use and how often each text has each."""
        ids, lengths = self.texts.gather(which, limit)
        keep = self.rng.random(len(ids)) >= dropout
        used, column = np.unique(ids, return_inverse=True)
        row = np.repeat(np.arange(len(which)), lengths)
        shape = (len(which), len(used))
        counts = sparse.csr_matrix((keep.astype(np.float32), (row, column)), shape=shape)
        return torch.from_numpy(used), counts


def contrast(q: torch.Tensor, d: torch.Tensor, scale: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Return InfoNCE in both directions."""
    logits = (normalize(q, dim=1) @ normalize(d, dim=1).T * scale).masked_fill(same, -1e4)
    target = torch.arange(len(q))
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def imitation(q: torch.Tensor, d: torch.Tensor, scale: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Return how far the likenesses of a batch's texts are from the teacher's [pairs, pairs]."""
    logits = normalize(q, dim=1) @ normalize(d, dim=1).T * scale
    rows = kl_div(log_softmax(logits, 1), log_softmax(taught, 1), reduction="batchmean", log_target=True)
    columns = kl_div(log_softmax(logits.T, 1), log_softmax(taught.T, 1), reduction="batchmean", log_target=True)
    return (rows + columns) / 2


def train(arguments: argparse.Namespace, pairs: Pairs, weight: torch.Tensor) -> NDArray[np.float32]:
    """Train for the given number of steps, resuming; returns the average of the weights' last part."""
    scale = torch.tensor(20.0, requires_grad=True)
    soft = torch.tensor(20.0, requires_grad=True)
    optimiser = torch.optim.Adam(
        [{"params": [weight]}, {"params": [scale, soft], "lr": 0.02}], lr=arguments.rate, betas=(0.9, 0.99), fused=True
    )
    average, averaged, first = torch.zeros_like(weight), 0, 0
    state = arguments.out.with_suffix(".pt")
    if state.exists():
        saved = torch.load(state, weights_only=False)
        with torch.no_grad():
            weight.copy_(saved["weight"])
            scale.copy_(saved["scale"])
            soft.copy_(saved["soft"])
        optimiser.load_state_dict(saved["optimiser"])
        average, averaged, first = saved["average"], saved["averaged"], saved["step"]
        pairs.rng = np.random.default_rng([arguments.seed, first])
        print(f"going on at step {first}", flush=True)
    names = list(SHARES)
    chances = np.array([SHARES[n] for n in names]) / sum(SHARES.values())
    start, losses = time.time(), {n: [] for n in [*names, "teacher"]}
    for step in range(first, arguments.steps):
        done = step / arguments.steps
        optimiser.param_groups[0]["lr"] = (
            arguments.rate * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done)) + arguments.rate * 0.02
        )
        with_teacher = pairs.teacher is not None and pairs.rng.random() < arguments.teacher_share
        kind = "teacher" if with_teacher else str(pairs.rng.choice(names, p=chances))
        size = arguments.batch if kind in ("translation", "lexicon") else arguments.batch // 2
        rows = pairs.draw_taught(arguments.batch // 2) if with_teacher else pairs.draw(kind, size)
        chosen = pairs.pairs[rows]
        dropout = arguments.dropout if kind != "lexicon" else 0.0
        q = Bag.apply(weight, *pairs.bags(chosen[:, 0], LIMITS[0], dropout / 2))
        d = Bag.apply(weight, *pairs.bags(chosen[:, 1], LIMITS[1], dropout))
        same = torch.from_numpy((chosen[:, 1][:, None] == chosen[:, 1]) | (chosen[:, 0][:, None] == chosen[:, 0]))
        same &= ~torch.eye(len(chosen), dtype=torch.bool)
        if with_teacher:
            one, two = pairs.teacher[pairs.first[rows]], pairs.teacher[pairs.second[rows]]
            loss = imitation(q, d, soft.clamp(1, 60), one @ two.T * arguments.teacher_scale)
            loss = loss + 0.3 * imitation(
                q[:, :SMALL], d[:, :SMALL], soft.clamp(1, 60), one @ two.T * arguments.teacher_scale
            )
        else:
            loss = contrast(q, d, scale.clamp(1, 60), same)
            loss = loss + 0.3 * contrast(q[:, :SMALL], d[:, :SMALL], scale.clamp(1, 60), same)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses[kind].append(loss.item())
        if done > 0.7 and step % 20 == 0:
            average += weight.detach()
            averaged += 1
        if (step + 1) % 100 == 0:
            shown = " ".join(f"{n} {np.mean(v[-20:]):.3f}" for n, v in losses.items() if v)
            print(
                f"{step + 1} {time.time() - start:.0f}s {shown} scale {scale.item():.1f} {soft.item():.1f}", flush=True
            )
        if (step + 1) % 500 == 0:
            saved = {"weight": weight.detach(), "scale": scale.detach(), "soft": soft.detach(), "step": step + 1}
            saved |= {"optimiser": optimiser.state_dict(), "average": average, "averaged": averaged}
            torch.save(saved, state)
            np.save(arguments.out, (average / averaged if averaged else weight.detach()).numpy())
    return (average / averaged if averaged else weight.detach()).numpy()


def main() -> None:
    """Train and save float32 vectors [tokens, dimension], their lengths included."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="of build_embedder_pairs.py")
    parser.add_argument("--idf", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="of teacher_vectors.py")
    parser.add_argument("--out", type=Path, required=True, help=".npy; the checkpoint lies beside it")
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=0.06)
    parser.add_argument(
        "--dropout", type=float, default=0.2, help="of the tokens of second texts; half of it for first"
    )
    parser.add_argument("--teacher-share", type=float, default=0.25)
    parser.add_argument("--teacher-scale", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    idf = torch.from_numpy(np.load(arguments.idf)["token_idf"].astype(np.float32)) / 24
    weight = torch.randn(len(idf), arguments.dimension) * (idf / 10)[:, None]
    weight.requires_grad_(True)
    pairs = Pairs(arguments.texts, arguments.teacher, arguments.seed)
    print({k: (len(g), sum(map(len, g))) for k, g in pairs.groups.items()}, flush=True)
    if pairs.teacher is not None:
        print("teacher", {KINDS[k]: len(v) for k, v in pairs.teachable.items()}, flush=True)
    np.save(arguments.out, train(arguments, pairs, weight))


if __name__ == "__main__":
    main()

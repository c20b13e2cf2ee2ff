"""Stage 10: the network, on the mined lists: softmax over a list's prior plus network logits.

The prior enters with a scale that is trained along: without it the network spends itself on making the prior less sure.
Every step draws lists (by kind and language), computes types and priors, keeps the best positive and the negatives that
the prior finds hardest plus some others, and runs them in micro-batches of like length. Resumes from its checkpoint;
keeps a running mean of the weights, which is what `export.py` uses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from network import Network, bert_config
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from train_prior import KINDS, tables

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import Matcher

KIND_WEIGHTS = (0.35, 0.4, 0.0, 0.15, 0.1)  # passage, sentence, heading, cross, cross-sentence


class Batch(NamedTuple):
    """Lists of equal size: the first candidate of each is the positive."""

    ids: torch.Tensor  # [lists * size, tokens]
    types: torch.Tensor
    lengths: torch.Tensor
    priors: torch.Tensor  # [lists, size]
    kinds: torch.Tensor  # [lists]


class Lists(IterableDataset[Batch]):
    """Batches of lists, for ever."""

    def __init__(self, arguments: argparse.Namespace, matcher: Matcher, *, held_out: bool) -> None:
        data = np.load(arguments.lists)
        self.data = {k: data[k] for k in ("ids", "offsets", "query", "candidates", "positives", "kind", "language")}
        self.matcher, self.size, self.lists = matcher, arguments.candidates, arguments.batch_lists
        self.max_document, self.seed, self.held_out = arguments.max_document, arguments.seed, held_out
        # Real questions only: the vectors behind the types have seen the headings and the parallel sentences.
        usable = data["gold"] & (self.data["candidates"][:, arguments.candidates] >= 0)
        rows = np.flatnonzero((data["held_out"] == held_out) & usable)
        kind, language = self.data["kind"][rows].astype(int), self.data["language"][rows].astype(int)
        count = np.zeros((len(KINDS), 64))
        np.add.at(count, (kind, language), 1)
        # Within a kind a language weighs as the root of its lists.
        share = np.sqrt(count) / np.maximum(np.sqrt(count).sum(1, keepdims=True), 1e-9)
        weight = np.array(KIND_WEIGHTS)[kind] * share[kind, language] / count[kind, language]
        self.rows, self.weight = rows, weight / weight.sum()

    def text(self, index: int) -> NDArray[np.int64]:
        """Return one text's ids."""
        return self.data["ids"][self.data["offsets"][index] : self.data["offsets"][index + 1]].astype(np.int64)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng(
            (self.seed, int(time.time()) if not self.held_out else 0, worker.id if worker else 0)
        )
        while True:
            chosen = rng.choice(self.rows, self.lists, p=self.weight)
            yield self.collate([self.one(row, rng) for row in chosen], self.data["kind"][chosen])

    def one(self, row: int, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], NDArray[np.int64], float]]:
        """Return (ids, types, prior) of one list's chosen candidates, the positive first."""
        text = self.text(self.data["query"][row])[:64]
        query, positives = self.matcher.encode_query(text), int(self.data["positives"][row])
        candidates = self.data["candidates"][row]
        candidates = candidates[candidates >= 0][: positives + 16]
        pairs = []
        for candidate in candidates:
            document = self.text(candidate)[: self.max_document]
            query_types, types, prior = self.matcher.match(query, document)
            ids = np.concatenate([[2], text, [3], document, [3]])
            pairs.append((ids, np.concatenate([[0], query_types, [0], types, [0]]), prior))
        best = max(range(positives), key=lambda i: pairs[i][2])
        order = sorted(range(positives, len(pairs)), key=lambda i: -pairs[i][2])
        hard = min(len(order), self.size - 1 - (self.size - 1) // 3)
        rest = order[hard:]
        picked = order[:hard] + [rest[i] for i in rng.permutation(len(rest))[: self.size - 1 - hard]]
        picked += [picked[-1]] * (self.size - 1 - len(picked))
        return [pairs[i] for i in [best, *picked]]

    @staticmethod
    def collate(
        lists: list[list[tuple[NDArray[np.int64], NDArray[np.int64], float]]], kinds: NDArray[np.int8]
    ) -> Batch:
        """Pad to the longest pair."""
        pairs = [pair for one in lists for pair in one]
        lengths = torch.tensor([len(ids) for ids, _, _ in pairs])
        both = torch.zeros(2, len(pairs), int(lengths.max()), dtype=torch.long)
        for i, (ids, types, _) in enumerate(pairs):
            both[0, i, : len(ids)] = torch.from_numpy(ids)
            both[1, i, : len(ids)] = torch.from_numpy(types)
        priors = torch.tensor([p for _, _, p in pairs], dtype=torch.float32).view(len(lists), -1)
        return Batch(both[0], both[1], lengths, priors, torch.from_numpy(kinds.astype(np.int64)))


def residuals(network: Network, batch: Batch, device: torch.device, micro: int) -> torch.Tensor:
    """Return the network's logits [lists, size], computed in micro-batches of like length."""
    order = torch.argsort(batch.lengths)
    parts = []
    for rows in order.split(micro):
        longest = int(batch.lengths[rows].max())
        ids, types = (x[rows, :longest].to(device) for x in (batch.ids, batch.types))
        with torch.autocast(device.type, torch.bfloat16):
            parts.append(network(ids, types, batch.lengths[rows].to(device)).float())
    return torch.cat(parts)[torch.argsort(order).to(device)].view(batch.priors.shape)


def objective(scores: torch.Tensor) -> torch.Tensor:
    """Return per list: softmax over the list, and a little of each pair on its own, to keep 0 the even chance."""
    wanted = torch.zeros_like(scores)
    wanted[:, 0] = 1
    alone = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean(1)
    return torch.logsumexp(scores, 1) - scores[:, 0] + 0.1 * alone


@torch.no_grad()
def validate(network: Network, scale: float, batches: list[Batch], device: torch.device, micro: int) -> str:
    """Return loss and first-place share of prior and model, by kind, on the held-out lists."""
    kinds = torch.cat([b.kinds for b in batches])
    before = torch.cat([b.priors for b in batches]) * scale
    after = before + torch.cat([residuals(network, b, device, micro).cpu() for b in batches])
    parts = []
    for k, name in enumerate(KINDS):
        if bool((kinds == k).any()):
            figures = [
                (objective(s[kinds == k]).mean(), (s[kinds == k].argmax(1) == 0).float().mean())
                for s in (before, after)
            ]
            parts.append(f"{name} {figures[0][0]:.3f}>{figures[1][0]:.3f} {figures[0][1]:.3f}>{figures[1][1]:.3f}")
    return " | ".join(parts)


@torch.no_grad()
def shrink(network: Network, scale: float, batches: list[Batch], device: torch.device, micro: int) -> float:
    """Return the share of the residual, 0 to 1, that ranks the held-out lists with one known answer best."""
    before = torch.cat([b.priors for b in batches]) * scale
    residual = torch.cat([residuals(network, b, device, micro).cpu() for b in batches])
    known = torch.isin(
        torch.cat([b.kinds for b in batches]), torch.tensor([KINDS.index("passage"), KINDS.index("cross")])
    )
    best = (-1.0, 0.0)
    for tenths in range(11):
        scores = (before + residual * tenths / 10)[known]
        rank = 1 + (scores[:, 1:] >= scores[:, :1]).sum(1)
        figure = float((1 / rank).mean())
        print(f"residual x {tenths / 10:.1f}: held-out reciprocal rank {figure:.4f}", flush=True)
        best = max(best, (figure, tenths / 10))
    return best[1]


def main() -> None:
    """Train for a number of seconds in all."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("lists", "tokenizer", "idf", "vectors", "prior", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name, value in (("layers", 4), ("hidden", 256), ("heads", 8), ("ffn", 1024), ("candidates", 8),
                        ("batch-lists", 24), ("micro", 48), ("max-document", 160), ("threads", 2), ("workers", 1),
                        ("seed", 0), ("validate-batches", 16)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--prior-scale", type=float, default=0.4, help="to begin with")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    prior = {f"prior.{k}": v for k, v in np.load(arguments.prior).items()}
    matcher = Matcher(tokenizer, tables(arguments.idf, arguments.vectors) | prior)
    sizes = {k: getattr(arguments, k) for k in ("layers", "hidden", "heads", "ffn")}
    sizes["vocabulary"] = tokenizer.get_vocab_size()
    network = Network(bert_config(**sizes)).to(device)
    vectors = torch.nn.functional.normalize(torch.from_numpy(np.load(arguments.vectors).astype(np.float32)))
    with torch.no_grad():  # words begin as their vectors, turned at random into the wider space
        turn = torch.nn.init.orthogonal_(torch.empty(vectors.shape[1], arguments.hidden))
        network.bert["embeddings"].word_embeddings.weight.copy_(vectors @ turn * 0.4)
    mean = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995))
    scale = torch.nn.Parameter(torch.tensor(arguments.prior_scale, device=device))
    optimiser = torch.optim.AdamW(
        [*network.parameters(), scale], lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    spent, step = 0.0, 0
    if arguments.out.exists():
        saved = torch.load(arguments.out, map_location=device, weights_only=True)
        network.load_state_dict(saved["network"])
        mean.load_state_dict(saved["mean"])
        scale.data.fill_(saved["prior_scale"])
        optimiser.load_state_dict(saved["optimiser"])
        spent, step = saved["spent"], saved["step"]
    held = iter(Lists(arguments, matcher, held_out=True))
    validation = [next(held) for _ in range(arguments.validate_batches)]

    def save() -> None:
        model = {k.removeprefix("module."): v for k, v in mean.state_dict().items() if k != "n_averaged"}
        state = {"sizes": sizes, "model": model, "network": network.state_dict(), "mean": mean.state_dict()}
        state |= {"prior_scale": scale.item(), "optimiser": optimiser.state_dict(), "spent": spent, "step": step}
        torch.save(state, arguments.out)

    loader = DataLoader(Lists(arguments, matcher, held_out=False), batch_size=None, num_workers=arguments.workers)
    start, last, losses = time.time() - spent, time.time(), []
    for batch in loader:
        spent = time.time() - start
        done = spent / arguments.seconds
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = arguments.rate * min(1.0, (step + 1) / 100) * max(0.02, 1 - done)
        scaled = batch.priors.to(device) * scale
        loss = objective(residuals(network, batch, device, arguments.micro) + scaled).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if done > 0.2:
            mean.update_parameters(network)
        losses.append((loss.item(), objective(scaled).mean().item()))
        step += 1
        if step % 20 == 0:
            now = np.mean(losses[-20:], axis=0)
            print(f"{step} {spent:.0f}s loss {now[0]:.3f} (prior {now[1]:.3f} x {scale.item():.2f})", flush=True)
        if time.time() - last > 240:
            last = time.time()
            current = mean if done > 0.3 else network
            print("held out", validate(current, scale.item(), validation, device, arguments.micro), flush=True)
            save()
    print("held out", validate(mean, scale.item(), validation, device, arguments.micro), flush=True)
    share = shrink(mean, scale.item(), validation, device, arguments.micro)
    for parameter in mean.module.classifier.parameters():
        parameter.data.mul_(share)
    save()


if __name__ == "__main__":
    main()

"""Stage 12: nDCG@10 of the first stage, the prior alone and the model, on every set, with a significance test.

`--data` is a folder with one folder per set (`corpus.jsonl`, `queries.jsonl`, `qrels.tsv`, `candidates.tsv`). The model
reorders each query's candidates; what the first stage did not find stays lost (the ceiling says how much that is).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.matching import Matcher

MAX_LENGTH = 512
MAX_QUERY = 128


@dataclass(frozen=True)
class Task:
    """One set, in memory."""

    texts: dict[str, str]
    queries: dict[str, str]
    grades: dict[str, dict[str, int]]
    candidates: dict[str, list[str]]


def read_task(folder: Path) -> Task:
    """Read one set; a title is put before its text."""
    texts, queries = {}, {}
    for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        texts[row["id"]] = f"{row['title']} {row['text']}" if row.get("title") else row["text"]
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        queries[row["id"]] = row["text"]
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines():
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    candidates = {}
    for line in (folder / "candidates.tsv").read_text(encoding="utf-8").splitlines():
        query, *documents = line.split()
        candidates[query] = documents
    return Task(texts, queries, grades, candidates)


def ndcg(order: list[str], grades: dict[str, int], depth: int = 10) -> float:
    """Return nDCG with gain 2^grade - 1 (Burges et al., 2005)."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    gains = np.array([2.0 ** grades.get(d, 0) - 1 for d in order[:depth]])
    best = np.sort([2.0**g - 1 for g in grades.values()])[::-1][:depth]
    ideal = float((best * discounts[: len(best)]).sum())
    return float((gains * discounts[: len(gains)]).sum()) / ideal if ideal else 0.0


def p_value(differences: NDArray[np.float64], rounds: int = 10_000) -> float:
    """Return the two-sided p of a paired randomisation test: signs flipped at random."""
    rng = np.random.default_rng(0)
    observed, extreme = abs(differences.sum()), 0
    changed = differences[differences != 0]
    for _ in range(rounds // 500):
        signs = rng.integers(0, 2, (500, len(changed))) * 2.0 - 1
        extreme += int((np.abs(signs @ changed) >= observed - 1e-9).sum())
    return (extreme + 1) / (rounds + 1)


class Model:
    """The folder's matcher, and its network through torch."""

    def __init__(self, folder: Path, *, network: bool, threads: int) -> None:
        """Load `tokenizer.json`, the matching tables and, with `network`, the weights."""
        config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.matcher = Matcher.load(config["resift"]["matching"], folder, self.tokenizer)
        self.cls, self.sep = config["cls_token_id"], config["sep_token_id"]
        self.network = None
        if network:
            import torch
            from transformers import BertForSequenceClassification

            torch.set_num_threads(threads)
            self.network = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    def encode(self, texts: list[str]) -> list[NDArray[np.int64]]:
        """Tokenise without special tokens."""
        return [np.array(e.ids, np.int64) for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def score(self, query: NDArray[np.int64], documents: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return prior and full logits [2, n]; long documents are cut."""
        query = query[:MAX_QUERY]
        features = self.matcher.encode_query(query)
        pairs, priors = [], np.zeros(len(documents))
        for i, whole in enumerate(documents):
            document = whole[: MAX_LENGTH - 3 - len(query)]
            query_types, types, priors[i] = self.matcher.match(features, document)
            ids = np.concatenate([[self.cls], query, [self.sep], document, [self.sep]])
            pairs.append((ids, np.concatenate([[0], query_types, [0], types, [0]])))
        full = priors + self.residual(pairs) if self.network else priors
        return np.stack([priors, full])

    def residual(self, pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.float64]:
        """Return the network's logits, batched by length."""
        import torch

        assert self.network is not None
        logits = np.zeros(len(pairs))
        order = np.argsort([len(ids) for ids, _ in pairs], kind="stable")
        for at in range(0, len(order), 32):
            rows = order[at : at + 32]
            longest = len(pairs[rows[-1]][0])
            batch = torch.zeros(3, len(rows), longest, dtype=torch.long)
            for i, row in enumerate(rows):
                ids, types = pairs[row]
                batch[0, i, : len(ids)] = torch.from_numpy(ids)
                batch[1, i, : len(ids)] = torch.from_numpy(types)
                batch[2, i, : len(ids)] = 1
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                out = self.network(input_ids=batch[0], token_type_ids=batch[1], attention_mask=batch[2]).logits
            logits[rows] = out.float().squeeze(1).numpy()
        return logits


def evaluate(name: str, data: Path, folder: Path, queries: int, network: bool, threads: int) -> dict[str, Any]:
    """Return the figures of one set."""
    task, model = read_task(data / name), Model(folder, network=network, threads=threads)
    documents = dict(zip(task.texts, model.encode(list(task.texts.values())), strict=True))
    chosen = [q for q in task.queries if q in task.candidates]
    chosen = chosen[:: max(1, len(chosen) // queries)] if queries else chosen
    rows, start = [], time.time()
    for query, tokens in zip(chosen, model.encode([task.queries[q] for q in chosen]), strict=True):
        order, grades = task.candidates[query], task.grades.get(query, {})
        scores = model.score(tokens, [documents[d] for d in order])
        row = [ndcg(order, grades)]
        row += [ndcg([order[i] for i in np.argsort(-s, kind="stable")], grades) for s in scores]
        rows.append([*row, ndcg(sorted(order, key=lambda d: -grades.get(d, 0)), grades)])
    table = np.array(rows)
    means = dict(zip(("first_stage", "prior", "full", "ceiling"), table.mean(0).round(4).tolist(), strict=True))
    return {
        "set": name,
        "queries": len(chosen),
        **means,
        "prior_p": round(p_value(table[:, 1] - table[:, 0]), 5),
        "full_p": round(p_value(table[:, 2] - table[:, 0]), 5),
        "full_over_prior_p": round(p_value(table[:, 2] - table[:, 1]), 5),
        "seconds": round(time.time() - start, 1),
    }


def main() -> None:
    """Evaluate the sets side by side; one JSON line each on stdout, then a table on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--sets", default="", help="only sets whose name has one of these, comma-separated")
    parser.add_argument("--queries", type=int, default=0, help="about so many of each set; 0: all")
    parser.add_argument("--prior-only", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    arguments = parser.parse_args()
    names = sorted(p.name for p in arguments.data.iterdir() if (p / "candidates.tsv").exists())
    names = [n for n in names if not arguments.sets or any(s in n for s in arguments.sets.split(","))]
    network = not arguments.prior_only
    results = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = [
            pool.submit(evaluate, n, arguments.data, arguments.model, arguments.queries, network, arguments.threads)
            for n in names
        ]
        for job in jobs:
            results.append(job.result())
            print(json.dumps(results[-1]), flush=True)
    for r in results:
        parts = " ".join(f"{r[k]:.4f}" for k in ("first_stage", "prior", "full", "ceiling"))
        print(f"{r['set']:22} {r['queries']:5} {parts} p {r['prior_p']:.4f} {r['full_p']:.4f}", file=sys.stderr)
    for kind in ("xquadr", "cross", "dev,jaquad,iapp,scifact,cranfield"):
        rows = [r for r in results if any(k in r["set"] for k in kind.split(","))]
        if rows:
            means = {k: float(np.mean([r[k] for r in rows])) for k in ("first_stage", "prior", "full", "ceiling")}
            print(f"{kind:22} mean " + " ".join(f"{k} {v:.4f}" for k, v in means.items()), file=sys.stderr)


if __name__ == "__main__":
    main()

"""Queries that are measured and never trained on: which they are, how well they are ranked, and if a change is luck."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resift.errors import InputError
from resift.evaluation.comparisons import compare_rows
from resift.evaluation.datasets import read_dataset
from resift.evaluation.measures import Meter
from resift.evaluation.plan import Plan, make_plan
from resift.evaluation.reading import ending
from resift.evaluation.records import Dataset, Query, select
from resift.evaluation.scores import Scorer, Tell, oracle, rankings, score_candidates
from resift.evaluation.significance import Float64
from resift.training.examples import Example, from_dataset, read_examples
from resift.training.finding import WordFinder

METRIC = "nDCG@10"
SHUFFLED = "shuffled (the lines give no order)"
FEW = 100
"""Held-out queries below which selecting and comparing share them all."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged queries with candidates.

    Attributes:
        plan: what is measured; see `resift.evaluation`.
        by_query: the same queries with their relevant documents, to look for in the training data.
    """

    plan: Plan
    by_query: Mapping[str, Example]

    @property
    def examples(self) -> list[Example]:
        """The queries that are measured."""
        return [self.by_query[query.id] for query in self.plan.queries]

    def limited(self, queries: int, *, seed: int) -> "HeldOut":
        """Return so many of the queries at most, drawn by `seed`."""
        if len(self.plan.queries) <= queries:
            return self
        return self._of(select(self.plan.dataset, limit=queries, seed=seed))

    def halves(self, *, seed: int) -> tuple["HeldOut", "HeldOut"]:
        """Return the queries in two halves, drawn by `seed`."""
        dataset = self.plan.dataset
        lots = sorted(dataset.queries, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest())
        first, second = (self._of(_only(dataset, set(lots[at::2]))) for at in (0, 1))
        return first, second

    def _of(self, dataset: Dataset) -> "HeldOut":
        return HeldOut(make_plan(dataset, depths=[self.plan.depths[-1]]), self.by_query)


def read_held_out(source: str | Path, *, depth: int, template: str | None = None) -> HeldOut:
    """Return the queries of a file or folder; without candidates of their own those of BM25 over its documents."""
    if ending(Path(source)) in {".jsonl", ".ndjson"}:
        examples, _ = read_examples(source, template=template)
        return from_examples(examples, name=Path(source).name, depth=depth)
    dataset = read_dataset(source)
    if dataset.first_stage is None:
        dataset = _with_bm25(dataset, depth)
    examples = from_dataset(replace(dataset, first_stage=None))
    return HeldOut(make_plan(dataset, depths=[depth]), dict(zip(dataset.queries, examples, strict=True)))


def from_examples(examples: Sequence[Example], *, name: str, depth: int) -> HeldOut:
    """Return the examples that have negatives as queries to measure; the order of their candidates is a shuffle."""
    keys: dict[str, str] = {}
    queries: dict[str, Query] = {}
    of: dict[str, Example] = {}
    qrels: dict[str, dict[str, int]] = {}
    candidates: dict[str, list[str]] = {}
    for number, example in enumerate(examples, start=1):
        if not example.negatives:
            continue
        key = f"q{number}"
        queries[key], of[key] = Query(id=key, text=example.query), example
        good = [keys.setdefault(text, f"d{len(keys) + 1}") for text in example.positives]
        bad = [keys.setdefault(text, f"d{len(keys) + 1}") for text in example.negatives]
        qrels[key] = {**dict.fromkeys(bad, 0), **dict.fromkeys(good, 1)}
        texts = {document: text for text in (*example.negatives, *example.positives) for document in (keys[text],)}
        drawn = sorted(texts, key=lambda document: hashlib.sha256(texts[document].encode()).digest())
        # Where there are more than are measured, positives first: an order without them could not be told good or bad.
        candidates[key] = sorted(drawn, key=lambda document: document not in good)[:depth]
        candidates[key].sort(key=drawn.index)
    if not queries:
        raise InputError(
            f"{name}: none of its {len(examples)} queries has a negative document, so every order is as good",
            hint="resift train mine finds negatives",
        )
    dataset = Dataset(
        name=name,
        queries=queries,
        documents={key: text for text, key in keys.items()},
        qrels=qrels,
        first_stage=candidates,
        first_stage_name=SHUFFLED,
    )
    return HeldOut(make_plan(dataset, depths=[depth]), of)


def measure(plan: Plan, scores: Mapping[str, Sequence[float]]) -> Float64:
    """Return the nDCG@10 of each query when its candidates are in the order of their scores."""
    keys = [query.id for query in plan.queries]
    meter = Meter([METRIC], {key: plan.dataset.qrels[key] for key in keys})
    return meter.measure(rankings(plan, scores, plan.depths[-1]), keys)[meter.names[0]]


def before_and_after(
    plan: Plan, before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]], *, seed: int
) -> dict[str, Any]:
    """Return both means, their difference with its interval and its p-value, and what frames them."""
    values = {"before": measure(plan, before), "after": measure(plan, after)}
    keys = [query.id for query in plan.queries]
    meter = Meter([METRIC], {key: plan.dataset.qrels[key] for key in keys})
    (comparison,) = compare_rows([("after", "before")], values, clusters=plan.clusters, seed=seed)
    shuffled = plan.first_stage == SHUFFLED
    first = meter.measure(plan.candidates, keys)[meter.names[0]]
    best = meter.measure(oracle(plan, plan.depths[-1]), keys)[meter.names[0]]
    return {
        "name": plan.dataset.name,
        "queries": len(plan.queries),
        "candidates": float(np.mean([len(found[: plan.depths[-1]]) for found in plan.candidates.values()])),
        "first_stage": plan.first_stage,
        "metric": METRIC,
        "first": None if shuffled else float(first.mean()),
        "before": float(values["before"].mean()),
        "after": float(values["after"].mean()),
        "ceiling": float(best.mean()),
        "comparison": {**asdict(comparison), "interval": list(comparison.interval)},
    }


def scores_of(plan: Plan, scorer: Scorer, *, tell: Tell | None = None) -> dict[str, list[float]]:
    """Return the scores of the plan's candidates by anything with `score(pairs)`."""
    return score_candidates(plan, scorer, tell=tell).of


def _only(dataset: Dataset, keys: set[str]) -> Dataset:
    return replace(
        dataset,
        queries={key: query for key, query in dataset.queries.items() if key in keys},
        qrels={key: grades for key, grades in dataset.qrels.items() if key in keys},
    )


def _with_bm25(dataset: Dataset, depth: int) -> Dataset:
    ids = list(dataset.documents)
    places = WordFinder(list(dataset.documents.values())).find(
        [one.text for one in dataset.queries.values()], top_k=depth
    )
    found = {key: [ids[place] for place in some] for key, some in zip(dataset.queries, places, strict=True)}
    return replace(dataset, first_stage=found, first_stage_name="BM25 over character n-grams")

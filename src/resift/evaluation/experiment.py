"""An experiment from its plan to its report: candidates fixed, everything else compared on them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resift.evaluation.comparisons import Comparison, Seen, compare_rows, describe, most_changed
from resift.evaluation.measures import DEFAULT_METRICS, Meter
from resift.evaluation.plan import DEPTHS, Plan, make_plan
from resift.evaluation.records import Dataset, Run, select
from resift.evaluation.report import FIRST_STAGE, Report, methods, row_name
from resift.evaluation.scores import ScoreCache, Scorer, Scores, Tell, oracle, rankings, score_candidates
from resift.evaluation.significance import ROUNDS, Float64, bootstrap_interval
from resift.experiments.statistics import holm

FORMAT = 1
WORST = 10
_LEAST_IN_GROUP = 2
_LONGEST_TEXT = 600


@dataclass(frozen=True, slots=True)
class Settings:
    """How rankings are measured and compared.

    Attributes:
        metrics: the first one is tested; see `Meter`.
        rounds: of the randomisation test and the bootstrap.
        seed: of both.
        worst: queries that are shown for each model, worst and best.
    """

    metrics: Sequence[str] = DEFAULT_METRICS
    rounds: int = ROUNDS
    seed: int = 0
    worst: int = WORST


def evaluate(
    dataset: Dataset,
    models: Mapping[str, Scorer],
    *,
    first_stage: Run | None = None,
    first_stage_name: str | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    depths: Sequence[int] = DEPTHS,
    limit: int | None = None,
    seed: int = 0,
    rounds: int = ROUNDS,
    worst: int = WORST,
    cache: Path | None = None,
    tell: Tell | None = None,
) -> Report:
    """Rerank fixed candidates with every model at every depth and return what that did.

    Args:
        dataset: see `read_dataset`.
        models: by the name that the report gives them; anything with `score(pairs)`, such as `Reranker()`.
        first_stage: the candidates of each query, best first; None for those that the dataset has.
        first_stage_name: what found them.
        metrics: as ir_measures writes them; the first one is tested for significance.
        depths: how many of the first candidates are reranked.
        limit: queries, drawn by `seed`; None for all.
        seed: of the draw, the randomisation test and the bootstrap.
        rounds: of these two.
        worst: queries to show where reranking hurt and helped most.
        cache: a folder that keeps scores: the same call goes on where it was interrupted. It knows a model by its name
            alone, so give a changed model another one.
        tell: called with (queries done, queries in all) of each model.

    Raises:
        InputError: data or metrics that cannot be used. MissingExtra: without the extra `eval`.
    """
    plan = make_plan(select(dataset, limit=limit, seed=seed), first_stage, name=first_stage_name, depths=depths)
    settings = Settings(metrics, rounds, seed, worst)
    Meter(settings.metrics, {"query": {"document": 1}})  # a metric that is none shows now, not after an hour
    scored = {}
    for name, scorer in models.items():
        if cache is None:
            scored[name] = score_candidates(plan, scorer, tell=tell)
            continue
        with ScoreCache(cache, name, name) as kept:
            scored[name] = score_candidates(plan, scorer, cache=kept, tell=tell)
    return analyse(plan, scored, settings=settings)


def analyse(
    plan: Plan,
    scored: Mapping[str, Scores],
    *,
    settings: Settings = Settings(),
    facts: Mapping[str, object] | None = None,
) -> Report:
    """Measure and compare what the models made of the plan; `facts` come first in the report."""
    return _Analysis(plan, scored, settings).report(facts or {})


@dataclass(slots=True)
class _Analysis:
    """The rows of the table with their runs and their values, query by query."""

    plan: Plan
    scored: Mapping[str, Scores]
    settings: Settings
    meter: Meter = field(init=False)
    runs: dict[str, Run] = field(init=False)
    values: dict[str, dict[str, Float64]] = field(init=False)

    def __post_init__(self) -> None:
        keys = [query.id for query in self.plan.queries]
        self.meter = Meter(self.settings.metrics, {key: self.plan.dataset.qrels[key] for key in keys})
        self.runs = {FIRST_STAGE: self.plan.candidates}
        for name, scores in self.scored.items():
            for depth in self.plan.depths:
                self.runs[row_name(name, depth)] = rankings(self.plan, scores.of, depth)
        self.values = {row: self.meter.measure(run, keys) for row, run in self.runs.items()}

    @property
    def primary(self) -> str:
        return self.meter.names[0]

    def report(self, facts: Mapping[str, object]) -> Report:
        plan = self.plan
        comparisons = self._comparisons()
        return {
            "format": FORMAT,
            **facts,
            "dataset": self._dataset(),
            "first_stage": plan.first_stage,
            "depths": list(plan.depths),
            "metrics": self.meter.names,
            "primary": self.primary,
            "models": list(self.scored),
            "settings": {"rounds": self.settings.rounds, "seed": self.settings.seed},
            "cut": {name: [scores.cut, scores.pairs] for name, scores in self.scored.items()},
            "rows": self._rows(),
            "ceiling": self._ceiling(),
            "comparisons": [asdict(one) for one in comparisons],
            "groups": self._groups(),
            "changes": [self._changes(name) for name in self.scored],
            "methods": methods(plan, self.primary, rounds=self.settings.rounds),
            "queries": self._queries(),
        }

    def _dataset(self) -> dict[str, Any]:
        plan = self.plan
        clusters = plan.clusters
        out = plan.left_out
        return {
            "name": plan.dataset.name,
            "documents": len(plan.dataset.documents),
            "queries": len(plan.dataset.queries),
            "measured": len(plan.queries),
            "questions": len(set(clusters)) if clusters is not None else len(plan.queries),
            "candidates": float(np.mean([len(found) for found in plan.candidates.values()])),
            "notes": list(plan.dataset.notes),
            "left_out": {
                "unjudged": out.unjudged,
                "nothing_relevant": out.nothing_relevant,
                "nothing_found": out.nothing_found,
                "unknown": len(out.unknown),
            },
        }

    def _rows(self) -> list[dict[str, Any]]:
        rows = [{"name": FIRST_STAGE, "model": None, "depth": None, **self._measured(FIRST_STAGE)}]
        for name, scores in self.scored.items():
            for depth in self.plan.depths:
                known = scores.seconds[depth][~np.isnan(scores.seconds[depth])] * 1000
                times = (
                    [round(float(value), 3) for value in np.percentile(known, [50, 95])] if len(known) else [None] * 2
                )
                row = row_name(name, depth)
                timed = {"milliseconds_p50": times[0], "milliseconds_p95": times[1], "timed_queries": len(known)}
                rows.append({"name": row, "model": name, "depth": depth, **self._measured(row), **timed})
        return rows

    def _measured(self, row: str) -> dict[str, Any]:
        values = self.values[row]
        return {
            "means": {metric: float(values[metric].mean()) for metric in self.meter.names},
            "interval": self._interval(values[self.primary], self.plan.clusters),
        }

    def _interval(self, values: Float64, clusters: list[str] | None) -> list[float]:
        settings = self.settings
        return list(bootstrap_interval(values, clusters=clusters, rounds=settings.rounds, seed=settings.seed))

    def _ceiling(self) -> list[dict[str, Any]]:
        """Return, for each depth, the relevant documents within it and the best that an order of it can reach."""
        keys = [query.id for query in self.plan.queries]
        recalls = Meter([f"R@{depth}" for depth in self.plan.depths], self.plan.dataset.qrels)
        found = recalls.measure(self.plan.candidates, keys)
        rows = []
        for depth in self.plan.depths:
            recall = found[f"R@{depth}"]
            best = self.meter.measure(oracle(self.plan, depth), keys)
            rows.append(
                {
                    "depth": depth,
                    "recall": float(recall.mean()),
                    "nothing_to_gain": int((recall == 0).sum()),
                    "means": {metric: float(values.mean()) for metric, values in best.items()},
                }
            )
        return rows

    def _pairs(self) -> list[tuple[str, str]]:
        """Return every model at every depth against the first stage, and the models among themselves at the deepest."""
        against_first = [(row, FIRST_STAGE) for row in self.runs if row != FIRST_STAGE]
        deepest = [row_name(name, self.plan.depths[-1]) for name in self.scored]
        return against_first + [(later, first) for i, first in enumerate(deepest) for later in deepest[i + 1 :]]

    def _comparisons(self) -> list[Comparison]:
        return compare_rows(
            self._pairs(),
            {row: values[self.primary] for row, values in self.values.items()},
            clusters=self.plan.clusters,
            rounds=self.settings.rounds,
            seed=self.settings.seed,
        )

    def _groups(self) -> list[dict[str, Any]]:
        """Return the deepest rows by language and by dataset; none where all queries are of one.

        Datasets that are one language each would say the same twice.
        """
        languages = [query.language or "unknown" for query in self.plan.queries]
        datasets = [query.dataset or "unknown" for query in self.plan.queries]
        same = len(set(zip(languages, datasets, strict=True))) == len(set(languages)) == len(set(datasets))
        by_dataset = [] if same else self._groups_by("dataset", datasets)
        return self._groups_by("language", languages) + by_dataset

    def _groups_by(self, by: str, names: Sequence[str]) -> list[dict[str, Any]]:
        if len(set(names)) < _LEAST_IN_GROUP:
            return []
        places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            places.setdefault(name, []).append(place)
        deepest = [row_name(name, self.plan.depths[-1]) for name in self.scored]
        groups: list[dict[str, Any]] = []
        for name in sorted(places):
            at = np.array(places[name], np.intp)
            values = {row: self.values[row][self.primary][at] for row in (FIRST_STAGE, *deepest)}
            whole = self.plan.clusters
            clusters = [whole[i] for i in places[name]] if whole is not None else None
            groups.append(
                {
                    "by": by,
                    "name": name,
                    "queries": len(at),
                    "rows": [
                        {"name": row, "mean": float(found.mean()), "interval": self._interval(found, clusters)}
                        for row, found in values.items()
                    ],
                    "comparisons": [asdict(one) for one in self._in_group(values, deepest, clusters)],
                }
            )
        # Holm's family is all groups together: they are looked at side by side.
        family = [one for group in groups for one in group["comparisons"]]
        for one, adjusted in zip(family, holm([one["p"] for one in family]), strict=True):
            one["p_holm"] = adjusted
        return groups

    def _in_group(
        self, values: Mapping[str, Float64], rows: Sequence[str], clusters: list[str] | None
    ) -> list[Comparison]:
        pairs = [(row, FIRST_STAGE) for row in rows]
        settings = self.settings
        return compare_rows(pairs, values, clusters=clusters, rounds=settings.rounds, seed=settings.seed)

    def _changes(self, model: str) -> dict[str, Any]:
        """Return the queries that the model at its deepest helped and hurt most."""
        row = row_name(model, self.plan.depths[-1])
        before, after = self.values[FIRST_STAGE][self.primary], self.values[row][self.primary]
        differences = after - before

        def shown(place: int) -> dict[str, Any]:
            query = self.plan.queries[place]
            seen = Seen(
                query=query.id,
                text=query.text,
                language=query.language,
                grades=self.plan.dataset.qrels[query.id],
                before=self.plan.candidates[query.id],
                after=self.runs[row][query.id],
            )
            change = describe(seen, self.plan.dataset.documents, float(before[place]), float(after[place]))
            return {key: _cut(value) for key, value in asdict(change).items()}

        count = self.settings.worst
        return {
            "model": model,
            "row": row,
            "worst": [shown(place) for place in most_changed(differences, count, worst=True)],
            "best": [shown(place) for place in most_changed(differences, count, worst=False)],
        }

    def _queries(self) -> dict[str, Any]:
        """Return every query's values, so that a saved report can be analysed again."""
        queries = self.plan.queries
        return {
            "id": [query.id for query in queries],
            "language": [query.language for query in queries],
            "cluster": [query.cluster for query in queries],
            "values": {
                row: {metric: [round(float(v), 6) for v in found] for metric, found in values.items()}
                for row, values in self.values.items()
            },
        }


def _cut(value: Any) -> Any:
    return value[: _LONGEST_TEXT - 1] + "…" if isinstance(value, str) and len(value) > _LONGEST_TEXT else value

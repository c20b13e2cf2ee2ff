"""Small datasets and scorers whose results can be told beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resift.evaluation import Dataset, Query


def make_dataset(
    grades: Mapping[str, Mapping[str, int]],
    candidates: Mapping[str, Sequence[str]],
    *,
    name: str = "tiny",
    language: str | None = None,
) -> Dataset:
    """Return a dataset whose texts are its ids: document `d1` reads `text d1`."""
    documents = {one for found in candidates.values() for one in found} | {one for g in grades.values() for one in g}
    queries = dict.fromkeys([*candidates, *grades])
    return Dataset(
        name=name,
        queries={key: Query(id=key, text=f"ask {key}", language=language) for key in queries},
        documents={key: f"text {key}" for key in sorted(documents)},
        qrels=grades,
        first_stage=candidates,
    )


@dataclass
class TableScorer:
    """Scores a pair by a table of (query text, document text); 0 where there is none. Remembers its calls."""

    table: Mapping[tuple[str, str], float] = field(default_factory=dict)
    calls: list[list[tuple[str, str]]] = field(default_factory=list)

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        listed = list(pairs)
        self.calls.append(listed)
        return [self.table.get(pair, 0.0) for pair in listed]


def many(count: int) -> tuple[Dataset, TableScorer]:
    """Return queries of three candidates, the last of them relevant, and a scorer that knows it in 3 of 4."""
    keys = [f"q{i}" for i in range(count)]
    dataset = make_dataset({key: {f"{key}c": 1} for key in keys}, {key: [f"{key}{x}" for x in "abc"] for key in keys})
    table = {(f"ask {key}", f"text {key}c"): 1.0 if i % 4 else -1.0 for i, key in enumerate(keys)}
    return dataset, TableScorer(table)

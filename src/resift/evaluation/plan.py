"""What will be measured: which queries, which candidates, how deep; and what cannot be, counted and named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from resift.errors import InputError
from resift.evaluation.records import Dataset, Query, Run, relevant

DEPTHS = (10, 20, 50, 100)


class Found(Protocol):
    """What a first stage returns: a document's id, which is its place in the list of texts that it indexed."""

    @property
    def id(self) -> int | str:
        """The place."""


class Search(Protocol):
    """How a first stage is asked: `BM25(texts).search`, for example."""

    def __call__(self, query: str, *, top_k: int) -> Sequence[Found]:
        """Return at most `top_k` documents, best first."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Queries that are not like the others, by id.

    Attributes:
        unjudged: without any judgement: nothing can be measured, so they are left out.
        nothing_relevant: judged, but nothing is relevant: every order is as good, so they are left out.
        nothing_found: the first stage found nothing: they count, as 0.
        unknown: judged queries without a text: they cannot be asked.
    """

    unjudged: list[str]
    nothing_relevant: list[str]
    nothing_found: list[str]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment before any model has run.

    Attributes:
        dataset: what it is about.
        queries: the ones that are measured.
        candidates: what the first stage found for each, best first; all of it, also below the deepest depth.
        first_stage: what found them, for people.
        depths: how many of the first candidates are reranked, rising.
        left_out: see `LeftOut`.
    """

    dataset: Dataset
    queries: list[Query]
    candidates: dict[str, list[str]]
    first_stage: str
    depths: tuple[int, ...]
    left_out: LeftOut

    @property
    def clusters(self) -> list[str] | None:
        """The question of each query; None when every query is its own."""
        found = [f"={query.id}" if query.cluster is None else query.cluster for query in self.queries]
        return found if len(set(found)) < len(found) else None


def make_plan(
    dataset: Dataset, first_stage: Run | None = None, *, name: str | None = None, depths: Sequence[int] = DEPTHS
) -> Plan:
    """Return the plan for a dataset and the candidates of a first stage; None for those of the dataset.

    Depths that say the same, because no list is longer, are one.

    Raises:
        InputError: no candidates, candidates that are no documents, or no query that can be measured.
    """
    run = first_stage if first_stage is not None else dataset.first_stage
    if run is None:
        raise InputError(
            f"{dataset.name} has no candidates to rerank", hint="--first-stage bm25, or the file of a run of yours"
        )
    left_out = LeftOut(
        unjudged=[key for key in dataset.queries if not dataset.qrels.get(key)],
        nothing_relevant=[key for key in dataset.queries if dataset.qrels.get(key) and not _can_be_found(dataset, key)],
        nothing_found=[key for key in dataset.queries if _can_be_found(dataset, key) and not run.get(key)],
        unknown=[key for key in dataset.qrels if key not in dataset.queries],
    )
    queries = [query for key, query in dataset.queries.items() if _can_be_found(dataset, key)]
    candidates = {query.id: list(run.get(query.id, ())) for query in queries}
    if not any(candidates.values()):
        raise InputError(
            f"{dataset.name}: none of its {len(dataset.queries)} queries has both a relevant document and candidates",
            hint="are the ids of queries, qrels and run the same?",
        )
    _check(dataset, candidates)
    return Plan(
        dataset=dataset,
        queries=queries,
        candidates=candidates,
        first_stage=name if name is not None else dataset.first_stage_name,
        depths=_distinct(depths, max(map(len, candidates.values()))),
        left_out=left_out,
    )


def retrieve(dataset: Dataset, search: Search, *, depth: int) -> dict[str, list[str]]:
    """Return the candidates that a search over all documents of the dataset, in their order, finds."""
    ids = list(dataset.documents)
    return {
        key: [ids[int(hit.id)] for hit in search(query.text, top_k=depth)] for key, query in dataset.queries.items()
    }


def _can_be_found(dataset: Dataset, key: str) -> bool:
    return bool(relevant(dataset.qrels.get(key, {})))


def _distinct(depths: Sequence[int], longest: int) -> tuple[int, ...]:
    """Return the rising depths up to the first that covers every list."""
    rising = sorted(set(depths))
    if not rising or rising[0] < 1:
        raise InputError(f"depths are {list(depths)}: expected numbers above 0")
    covering = [depth for depth in rising if depth >= longest]
    return tuple(depth for depth in rising if depth < longest) + tuple(covering[:1])


def _check(dataset: Dataset, candidates: Mapping[str, Sequence[str]]) -> None:
    missing = [
        (query, document)
        for query, documents in candidates.items()
        for document in documents
        if document not in dataset.documents
    ]
    if missing:
        query, document = missing[0]
        raise InputError(
            f"{dataset.name}: {len(missing)} candidates are not among the {len(dataset.documents)} documents, e.g. "
            f"{document!r} of query {query!r}",
            hint="the run was made over another corpus",
        )

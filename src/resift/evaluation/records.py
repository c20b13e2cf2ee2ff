"""What an evaluation is about: queries, documents, judgements, and the candidates that a first stage found."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from resift.errors import InputError

Grades: TypeAlias = Mapping[str, int]
"""Document id -> how relevant it is; 0 and less are not relevant."""

Qrels: TypeAlias = Mapping[str, Grades]
"""Query id -> its judged documents."""

Run: TypeAlias = Mapping[str, Sequence[str]]
"""Query id -> document ids, best first, each once."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a dataset.

    Attributes:
        id: unique in its dataset.
        text: what is asked.
        language: a code, where it is known.
        dataset: where it is from, when several are evaluated together.
        cluster: queries of one cluster are one question in several languages, and count as one observation.
    """

    id: str
    text: str
    language: str | None = None
    dataset: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Queries, documents and judgements.

    Attributes:
        name: for people.
        queries: by id, in the order of their file.
        documents: text by id.
        qrels: judgements; see `Qrels`.
        first_stage: the candidates that belong to the dataset, None when it has none.
        first_stage_name: what they are, for people.
        notes: what a reader of the figures should know about it.
    """

    name: str
    queries: Mapping[str, Query]
    documents: Mapping[str, str]
    qrels: Qrels
    first_stage: Run | None = None
    first_stage_name: str = "the dataset's candidates"
    notes: tuple[str, ...] = field(default=())


def relevant(grades: Grades) -> list[str]:
    """Return the documents whose grade is above 0."""
    return [document for document, grade in grades.items() if grade > 0]


def select(
    dataset: Dataset, *, limit: int | None = None, seed: int = 0, languages: Collection[str] | None = None
) -> Dataset:
    """Return the dataset with fewer queries: those in `languages`, and `limit` of them, drawn by `seed`.

    The draw looks at the question (cluster or id) alone: of parallel datasets it takes the same questions.
    """
    queries = dataset.queries
    if languages is not None:
        queries = {key: query for key, query in queries.items() if query.language in languages}
        if not queries:
            known = sorted({query.language for query in dataset.queries.values() if query.language is not None})
            raise InputError(
                f"{dataset.name}: no query is in {', '.join(languages)}; there are: {', '.join(known) or 'none known'}",
                hint="a name that ends in -zh says it, and so does the field 'language' of a query",
            )
    if limit is not None:
        if limit < 1:
            raise InputError(f"limit is {limit}: expected 1 or more")
        drawn = set(sorted(queries, key=lambda key: _lot(queries[key], seed))[:limit])
        queries = {key: query for key, query in queries.items() if key in drawn}
    dropped = dataset.queries.keys() - queries.keys()
    qrels = {key: grades for key, grades in dataset.qrels.items() if key not in dropped}
    return replace(dataset, queries=queries, qrels=qrels)


def _lot(query: Query, seed: int) -> tuple[str, str]:
    question = query.cluster if query.cluster is not None else query.id
    return hashlib.sha256(f"{seed}\0{question}".encode()).hexdigest(), query.id


def combine(datasets: Sequence[Dataset], *, parallel_ids: bool = True) -> Dataset:
    """Return several datasets as one, every id with its dataset's name before it.

    Queries that have the same id in several datasets are taken for one question in several languages, one cluster,
    unless `parallel_ids` is false.
    Raises InputError when two have one name.
    """
    if not datasets:
        raise InputError("there is no dataset to evaluate on")
    if len(datasets) == 1:
        return datasets[0]
    names = [dataset.name for dataset in datasets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two datasets are called {twice[0]}", hint="rename one folder")
    seen: dict[str, int] = {}
    for dataset in datasets:
        for key in dataset.queries:
            seen[key] = seen.get(key, 0) + 1
    parallel = {key for key, count in seen.items() if count > 1 and parallel_ids}
    queries: dict[str, Query] = {}
    for dataset in datasets:
        for key, query in dataset.queries.items():
            cluster = query.cluster if query.cluster is not None else key if key in parallel else None
            whole = f"{dataset.name}/{key}"
            queries[whole] = replace(query, id=whole, dataset=dataset.name, cluster=cluster)
    notes = [f"{dataset.name}: {note}" for dataset in datasets for note in dataset.notes]
    if parallel:
        notes.append(f"{len(parallel)} questions stand in several datasets under one id and are taken for the same")
    return Dataset(
        name=" + ".join(names),
        queries=queries,
        documents={f"{one.name}/{key}": text for one in datasets for key, text in one.documents.items()},
        qrels={
            f"{one.name}/{key}": {f"{one.name}/{document}": grade for document, grade in grades.items()}
            for one in datasets
            for key, grades in one.qrels.items()
        },
        first_stage=_all_candidates(datasets),
        first_stage_name=" / ".join(dict.fromkeys(dataset.first_stage_name for dataset in datasets)),
        notes=tuple(notes),
    )


def _all_candidates(datasets: Sequence[Dataset]) -> Run | None:
    found: dict[str, list[str]] = {}
    for dataset in datasets:
        if dataset.first_stage is None:
            return None
        for key, documents in dataset.first_stage.items():
            found[f"{dataset.name}/{key}"] = [f"{dataset.name}/{document}" for document in documents]
    return found

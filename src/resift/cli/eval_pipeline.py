"""A folder of `resift index` as the first stage of an evaluation: it brings the candidates and their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.pipelines import open_folder
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.evaluation import Dataset
    from resift.evaluation.records import Qrels, Query, Run
    from resift.pipeline import Pipeline

PREFIX = "pipeline:"
_AT_ONCE = 64


def read_with_pipeline(folder: str, *, queries: Path, qrels: Path, depth: int) -> Dataset:
    """Return the queries and judgements of two files with what the pipeline's stores find, not reranked.

    Judgements are of documents, or of passages (`DOCUMENT#PLACE`). Of documents the best passage of each is what is
    found, and what a reranker reads; so a judgement is one of that passage.
    """
    from resift.evaluation import Dataset
    from resift.evaluation.folders import read_queries
    from resift.evaluation.trec import read_qrels

    asked, judged = read_queries(queries), read_qrels(qrels)
    with open_folder(Path(folder), reranker=False, writable=False) as pipeline:
        whole = _of_documents(pipeline, judged)
        output.note(
            f"{folder}: {', '.join(store.name for store in pipeline.info.stores)}, the first {depth} for each query"
        )
        run, texts, owners = _find(pipeline, asked, depth, whole)
        name = f"{', '.join(store.name for store in pipeline.info.stores)} of {Path(folder).name}"
    moved = {key: _moved(grades, run.get(key, ()), owners) for key, grades in judged.items()} if whole else judged
    missing = {document: "" for grades in moved.values() for document in grades if document not in texts}
    notes = ("judgements are of documents, and each document's best passage stands for it",) if whole else ()
    return Dataset(
        name=queries.resolve().parent.name,
        queries=asked,
        documents={**texts, **missing},
        qrels=moved,
        first_stage=run,
        first_stage_name=name,
        notes=notes,
    )


def _find(
    pipeline: Pipeline, asked: Mapping[str, Query], depth: int, whole: bool
) -> tuple[Run, dict[str, str], dict[str, str]]:
    """Return the passages of each query, their texts, and the document of each."""
    run: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    owners: dict[str, str] = {}
    keys = list(asked)
    with output.progress(len(keys), label="Searching", unit="query") as show:
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            results = pipeline.search_many(
                [asked[key].text for key in some],
                top_k=depth,
                recall=depth * 3 if whole else depth,
                rerank=False,
                per_document=1 if whole else None,
            )
            for key, result in zip(some, results, strict=True):
                run[key] = [hit.id for hit in result]
                texts |= {hit.id: hit.full_text for hit in result}
                owners |= {hit.id: hit.document for hit in result}
            show(start + len(some))
    return run, texts, owners


def _of_documents(pipeline: Pipeline, judged: Qrels) -> bool:
    """Return whether judgements are of documents; raises InputError when they are of nothing that is there."""
    known = passages = 0
    for name in {document for grades in judged.values() for document in grades}:
        document, _, place = name.rpartition("#")
        known += pipeline.get(name) is not None
        passages += place.isdecimal() and pipeline.get(document) is not None
    if not known and not passages:
        raise InputError(
            f"none of the judged documents is in {pipeline.folder}",
            hint="ids are those that `resift search` shows: a file's path below the folder that was indexed",
        )
    return known >= passages


def _moved(grades: Mapping[str, int], found: Sequence[str], owners: Mapping[str, str]) -> dict[str, int]:
    """Return the judgements with the passage that was found in the place of its document."""
    passage = {owners[one]: one for one in found}
    return {passage.get(document, document): grade for document, grade in grades.items()}

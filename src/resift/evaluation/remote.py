"""Datasets from catalogues: `irds:NAME` through ir_datasets, `hf:NAME` through datasets. Both want a network once.

Thin on purpose: what they hand over becomes the same records as a folder's files.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from resift.errors import InputError, MissingExtra
from resift.evaluation.judged import judged_rows
from resift.evaluation.records import Dataset, Query

PREFIXES = ("irds:", "hf:")


def read_remote(name: str, *, split: str | None = None, language: str | None = None) -> Dataset:
    """Return a dataset by its name in a catalogue, e.g. `irds:beir/scifact/test` or `hf:C-MTEB/T2Reranking`."""
    prefix, _, rest = name.partition(":")
    if f"{prefix}:" not in PREFIXES or not rest:
        raise InputError(f"{name}: expected one of {', '.join(f'{known}NAME' for known in PREFIXES)}")
    if prefix == "irds":
        return from_ir_datasets(_library("ir_datasets").load(rest), name=rest, language=language)
    loaded = _library("datasets").load_dataset(rest, split=split or "test")
    return judged_rows(enumerate(loaded, start=1), name=rest, source=Path(name), language=language)


def from_ir_datasets(source: Any, *, name: str, language: str | None = None) -> Dataset:
    """Return a dataset of ir_datasets as ours; its scored documents, where it has some, are the first stage."""
    for part in ("docs", "queries", "qrels"):
        if not getattr(source, f"has_{part}")():
            raise InputError(f"irds:{name} has no {part}", hint="a subset such as /dev or /test has them")
    said = language if language is not None else source.queries_lang()
    qrels: dict[str, dict[str, int]] = {}
    for judged in source.qrels_iter():
        qrels.setdefault(judged.query_id, {})[judged.doc_id] = int(judged.relevance)
    queries = {q.query_id: Query(id=q.query_id, text=q.default_text(), language=said) for q in source.queries_iter()}
    scored: dict[str, dict[str, float]] = {}
    if source.has_scoreddocs():
        for one in source.scoreddocs_iter():
            scored.setdefault(one.query_id, {})[one.doc_id] = float(one.score)
    return Dataset(
        name=name,
        queries=queries,
        documents={document.doc_id: document.default_text() for document in source.docs_iter()},
        qrels=qrels,
        first_stage={key: sorted(found, key=lambda one: -found[one]) for key, found in scored.items()} or None,
    )


def _library(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise MissingExtra(f"loading a dataset through {name}", extra="eval-hub")
    return importlib.import_module(name)

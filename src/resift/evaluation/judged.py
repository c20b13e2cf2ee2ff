"""Queries with their documents in one file: the reranking sets of C-MTEB, and lines that a user writes.

A line of JSON, or a row of Parquet, is one of

    {"query": ..., "positive": [...], "negative": [...]}          C-MTEB: no order is given, so it is shuffled
    {"query": ..., "documents": [...], "labels": [...]}           the order is that of the user's own search
    {"query": ..., "document": ..., "label": ...}                 the same, one line for each pair

Equal texts are one document. A query's `id` and `language` may be given.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resift.errors import MissingExtra
from resift.evaluation.reading import bare_name, ending, problem, read_json_lines
from resift.evaluation.records import Dataset, Query

SHUFFLED = "shuffled (the set gives no order)"
AS_GIVEN = "the order of the file"


def read_judged(file: Path, *, language: str | None = None) -> Dataset:
    """Return the dataset of a JSON Lines or Parquet file of queries with judged documents."""
    return judged_rows(_rows(file), name=bare_name(file), source=file, language=language)


def judged_rows(
    rows: Iterable[tuple[int, Mapping[str, Any]]], *, name: str, source: Path, language: str | None = None
) -> Dataset:
    """Return the dataset of numbered rows; `source` is what errors call them."""
    building = _Building(source, language)
    for number, row in rows:
        building.add(number, row)
    if not building.queries:
        raise problem(source, None, "no queries")
    return Dataset(
        name=name,
        queries=building.queries,
        documents={key: text for text, key in building.keys.items()},
        qrels=building.qrels,
        first_stage=building.candidates,
        first_stage_name=SHUFFLED if building.shuffled else AS_GIVEN,
    )


def _rows(file: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    if ending(file) != ".parquet":
        return read_json_lines(file)
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra(f"reading {file.name}", extra="parquet")
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise problem(file, None, f"not a Parquet file: {error}") from error
    return enumerate(table.to_pylist(), start=1)


@dataclass(slots=True)
class _Building:
    """The dataset while its rows are read."""

    source: Path
    language: str | None
    queries: dict[str, Query] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)
    shuffled: bool = False
    _of_text: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        asked: Any = row.get("query")
        texts: list[Any] = asked if isinstance(asked, list) else [asked]  # MTEB allows several wordings of one question
        if not texts or not all(isinstance(text, str) for text in texts):
            raise problem(self.source, number, "the field 'query' is not a text")
        judged = self._judged(number, row)
        for text in texts:
            self._add_query(number, text, row, judged)

    def _judged(self, number: int, row: Mapping[str, Any]) -> list[tuple[str, int]]:
        """Return the row's documents with their grades, in the order of the candidates."""
        if "positive" in row:
            good = self._texts(number, row, "positive")
            bad = [text for text in self._texts(number, row, "negative") if text not in set(good)]
            self.shuffled = True
            found = [(text, 1) for text in dict.fromkeys(good)] + [(text, 0) for text in dict.fromkeys(bad)]
            return sorted(found, key=lambda pair: hashlib.sha256(pair[0].encode()).digest())
        name, labels = ("documents", "labels") if "documents" in row else ("document", "label")
        texts = self._texts(number, row, name)
        given = row.get(labels)
        grades = given if isinstance(given, list) else [given]
        if len(grades) != len(texts):
            raise problem(self.source, number, f"{len(texts)} documents and {len(grades)} labels")
        return [(text, self._grade(number, grade)) for text, grade in zip(texts, grades, strict=True)]

    def _texts(self, number: int, row: Mapping[str, Any], name: str) -> list[str]:
        value = row.get(name, [] if name == "negative" else None)
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            there = ", ".join(row) or "none"
            raise problem(
                self.source,
                number,
                f"the field {name!r} is not a text or a list of texts; the fields are: {there}",
                hint="expected query with positive and negative, documents and labels, or document and label",
            )
        return texts

    def _grade(self, number: int, label: object) -> int:
        if isinstance(label, bool | int) or (isinstance(label, float) and label.is_integer()):
            return int(label)
        raise problem(self.source, number, f"the label {label!r} is not a whole number")

    def _add_query(self, number: int, text: str, row: Mapping[str, Any], judged: list[tuple[str, int]]) -> None:
        given = row.get("id", row.get("query_id"))
        key = str(given) if given is not None else self._of_text.setdefault(text, f"q{len(self._of_text) + 1}")
        known = self.queries.get(key)
        if known is not None and known.text != text:
            raise problem(self.source, number, f"query {key!r} has another text further up")
        said = row.get("language", row.get("lang", self.language))
        self.queries[key] = Query(id=key, text=text, language=said if isinstance(said, str) else None)
        grades = self.qrels.setdefault(key, {})
        order = self.candidates.setdefault(key, [])
        for document_text, grade in judged:
            document = self.keys.setdefault(document_text, f"d{len(self.keys) + 1}")
            if document not in grades:
                order.append(document)
            grades[document] = max(grade, grades.get(document, grade))

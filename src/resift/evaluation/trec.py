"""Judgements and rankings in the formats of TREC, and the tab-separated ones of BEIR.

A ranked list is ordered by (-score, line): of equal scores the one that stands first comes first. trec_eval breaks
ties by document id instead (the later one first), whatever the file's ranks say; `order(..., ties="docid")` is its
rule. What is measured here is always our order: `measures.py` hands over scores without ties.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from resift.errors import InputError
from resift.evaluation.reading import problem, read_lines
from resift.evaluation.records import Run

_TREC_RUN_FIELDS = 6
_QRELS = "expected: query 0 document grade (TREC), or query, document and grade between tabs"
_RUN = "expected: query Q0 document rank score tag (TREC), or query, tab, documents between spaces"


def order(scored: Mapping[str, float], *, ties: Literal["index", "docid"] = "index") -> list[str]:
    """Return the ids by descending score.

    Equal scores keep the order of the mapping, or, with `docid`, come in descending order of their ids, as trec_eval
    has it (which also compares scores in single precision; this does not).
    """
    if ties == "docid":
        return sorted(sorted(scored, reverse=True), key=lambda document: -scored[document])
    return sorted(scored, key=lambda document: -scored[document])


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Return the judgements of a file: TREC's four columns, or three with tabs, with a header line or without."""
    qrels: dict[str, dict[str, int]] = {}
    for number, line in read_lines(file):
        fields = line.split("\t") if line.count("\t") == 2 else line.split()
        if len(fields) == 4:
            query, _, document, grade = fields
        elif len(fields) == 3:
            query, document, grade = fields
        else:
            raise problem(file, number, f"{len(fields)} columns; {_QRELS}")
        value = _grade(grade)
        if value is None:
            if number == 1 and line.count("\t") == 2 and not any(letter.isdigit() for letter in grade):
                continue  # a header
            raise problem(file, number, f"the grade {grade!r} is not a whole number; {_QRELS}")
        grades = qrels.setdefault(query.strip(), {})
        if grades.setdefault(document.strip(), value) != value:
            raise problem(file, number, f"document {document!r} of query {query!r} has another grade further up")
    if not qrels:
        raise problem(file, None, f"no judgements; {_QRELS}")
    return qrels


def _grade(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def read_run(file: Path) -> dict[str, list[str]]:
    """Return the rankings of a file: a TREC run, ordered by (-score, line), or lists in their order."""
    lists: dict[str, list[str]] = {}
    scored: dict[str, dict[str, float]] = {}
    for number, line in read_lines(file):
        fields = line.split()
        if line.count("\t") == 1:
            query, _, documents = line.partition("\t")
            if query in lists:
                raise problem(file, number, f"query {query!r} has a list further up")
            lists[query] = documents.split()
            if len(set(lists[query])) < len(lists[query]):
                raise problem(file, number, f"the list of query {query!r} names a document twice")
        elif len(fields) == _TREC_RUN_FIELDS:
            query, _, document, _, score, _ = fields
            found = scored.setdefault(query, {})
            if document in found:
                raise problem(file, number, f"document {document!r} of query {query!r} stands further up already")
            found[document] = _score(file, number, score)
        else:
            raise problem(file, number, f"{len(fields)} columns; {_RUN}")
    if lists and scored:
        raise problem(file, None, f"some lines are of a TREC run and some are lists; {_RUN}")
    if not lists and not scored:
        raise problem(file, None, f"no rankings; {_RUN}")
    return lists or {query: order(documents) for query, documents in scored.items()}


def _score(file: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise problem(file, number, f"the score {text!r} is not a number; {_RUN}")
    return value


def write_run(file: Path, run: Run, *, tag: str = "resift") -> None:
    """Write a TREC run whose scores fall by 1 from rank to rank, so that every tool measures this order."""
    lines = [
        f"{query} Q0 {document} {rank} {len(documents) - rank + 1} {tag}\n"
        for query, documents in run.items()
        for rank, document in enumerate(documents, start=1)
    ]
    if any(len(line.split()) != _TREC_RUN_FIELDS for line in lines) or len(tag.split()) != 1:
        raise InputError(f"{file}: an id or the tag {tag!r} has a space, which a TREC run cannot hold")
    file.write_text("".join(lines), encoding="utf-8")


def strictly_falling(documents: Sequence[str]) -> dict[str, float]:
    """Return scores that say this order and no other: n, n - 1, ... 1, exact in single precision too."""
    return {document: float(len(documents) - place) for place, document in enumerate(documents)}

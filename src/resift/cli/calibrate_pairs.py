"""Labelled pairs for `resift calibrate`: rows of a file, or what a search found in folders of judgements."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from resift.cli.options import parse_template, text_of, text_problem
from resift.cli.reading import BadLines, choose_format, read_rows
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.types import Document

_LABELS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass
class LabelledPairs:
    """Columns with one entry a pair."""

    pairs: list[tuple[str, Document]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)


def read_file_pairs(args: argparse.Namespace, bad: BadLines) -> LabelledPairs:
    """Return the pairs of a file with a row for each."""
    kind = choose_format(args.pairs[0], args.input_format, stdin="jsonl")
    if kind == "txt":
        raise InputError("labelled pairs have fields: .txt has none", hint="--input-format jsonl, csv or tsv")
    template = parse_template(args)
    read = LabelledPairs()
    for row in read_rows(args.pairs[0], kind, bad=bad):
        fields = row.value
        label = _label(fields, args)
        if isinstance(label, str):
            bad.report(row.line, label)
            continue
        values = cast("dict[str, Any]", fields)
        if problem := text_problem(values[args.document_field], args.text_field, template):
            bad.report(row.line, problem)
            continue
        read.pairs.append((values[args.query_field], text_of(values[args.document_field], args.text_field)))
        read.labels.append(int(label >= args.relevant_from))
        read.groups.append(_name(values.get(args.group_field)))
        read.clusters.append(_name(values.get(args.cluster_field)) or values[args.query_field])
    return read


def read_dataset_pairs(args: argparse.Namespace) -> LabelledPairs:
    """Return the best documents of each query of folders of judgements; languages are groups."""
    from resift.evaluation.datasets import read_dataset
    from resift.evaluation.records import combine
    from resift.evaluation.trec import read_run

    data = combine([read_dataset(source) for source in args.pairs])
    found = read_run(args.run) if args.run is not None else data.first_stage
    if found is None:
        raise InputError(f"{data.name} has no candidates: name what your search found", hint="--run FILE")
    read = LabelledPairs()
    for key, documents in found.items():
        query = data.queries.get(key)
        if query is None or key not in data.qrels:
            continue  # not judged, or of another split
        for document in documents[: args.depth]:
            if document not in data.documents:
                raise InputError(f"the document {document!r}, found for query {key!r}, is not in {data.name}")
            read.pairs.append((query.text, data.documents[document]))
            read.labels.append(int(data.qrels[key].get(document, 0) >= args.relevant_from))
            read.groups.append(query.language)
            read.clusters.append(query.cluster or key)
    return read


def _name(value: object) -> str | None:
    """Return a group's name; nothing and an empty text are none."""
    return None if value is None or value == "" else str(value)


def _label(fields: object, args: argparse.Namespace) -> float | str:
    """Return the row's label, or what is wrong with the row."""
    if not isinstance(fields, dict):
        return f"expected an object with {args.query_field!r}, {args.document_field!r} and {args.label_field!r}"
    wanted = (args.query_field, args.document_field, args.label_field, args.group_field, args.cluster_field)
    for name in wanted:
        if name is not None and name not in fields:
            return f"no field {name!r}; there are: {', '.join(fields) or 'none'}"
    if not isinstance(fields[args.query_field], str):
        return f"the field {args.query_field!r} is not a text"
    value = fields[args.label_field]
    try:
        label = _LABELS[value.lower()] if isinstance(value, str) and value.lower() in _LABELS else float(value)
    except (TypeError, ValueError):
        label = math.nan
    return label if math.isfinite(label) else f"the label {json.dumps(value)} is neither a number nor true or false"

"""Score the (query, document) pairs of a file.

  resift score pairs.jsonl > scored.jsonl
  resift score pairs.csv --query-field question --document-field answer
  cat pairs.tsv | resift score - --input-format tsv --no-header

A line of .jsonl is {"query": ..., "document": ...}, with whatever other fields, or [query, document]. The header of
.csv and .tsv names the columns. Rows come out in their order, as they came, with one field more: the score.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from resift.cli import output
from resift.cli.options import Opener, add_model_options, add_text_options, parse_template, text_of, text_problem
from resift.cli.reading import BadLines, choose_format, read_rows, shown_name
from resift.documents.tables import Row
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.types import Document, Pair


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift score`."""
    parser.add_argument("pairs", metavar="FILE", help="the pairs, - is standard input")
    parser.add_argument("--input-format", choices=["jsonl", "csv", "tsv"], help="of FILE, if not as its name ends")
    parser.add_argument("--no-header", action="store_true", help="the columns of .csv or .tsv are query and document")
    parser.add_argument("--query-field", metavar="NAME", default="query", help="default: query")
    parser.add_argument("--document-field", metavar="NAME", default="document", help="default: document")
    parser.add_argument("--score-field", metavar="NAME", default="score", help="default: score")
    parser.add_argument("--format", choices=["same", "jsonl"], default="same", help="of the output (default: FILE's)")
    add_text_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Read every pair, score them, write them."""
    kind = choose_format(args.pairs, args.input_format, stdin="jsonl")
    if kind == "txt":
        raise InputError("a pair is two texts: .txt has only one on a line", hint="--input-format jsonl, csv or tsv")
    bad = BadLines(args.pairs, skip=args.skip_bad)
    # All lines are read before the first is scored: a bad one shows at once, not after an hour.
    rows, pairs = _read_pairs(args, kind, bad)
    with (
        open_reranker(args) as reranker,
        output.progress(len(pairs), label="Scoring") as show,
    ):
        scored = reranker.with_options(progress=lambda done, _: show(done)).score_details(pairs)
        info = reranker.info
    _write(rows, [one.score for one in scored], args, kind="jsonl" if args.format == "jsonl" else kind)
    for message in bad.skipped:
        output.note(f"skipped: {message}")
    cut = sum(one.truncated for one in scored)
    output.note(
        f"scored {len(rows)} pairs of {shown_name(args.pairs)} ({len(bad.skipped)} lines skipped, {cut} pairs cut at "
        f"{info.max_length} tokens): {info.model}, {info.precision} on {info.device}, {info.scores} scores"
    )
    return 0


def _read_pairs(args: argparse.Namespace, kind: str, bad: BadLines) -> tuple[list[dict[str, object]], list[Pair]]:
    rows: list[dict[str, object]] = []
    pairs: list[Pair] = []
    template = parse_template(args)
    columns = (args.query_field, args.document_field) if args.no_header else None
    for row in read_rows(args.pairs, kind, bad=bad, columns=columns):
        fields = _fields(row, args)
        if isinstance(fields, str):
            bad.report(row.line, fields)
            continue
        document = fields[args.document_field]
        if problem := text_problem(document, args.text_field, template):
            bad.report(row.line, problem)
            continue
        rows.append(fields)
        pairs.append((str(fields[args.query_field]), text_of(cast("Document", document), args.text_field)))
    return rows, pairs


def _fields(row: Row, args: argparse.Namespace) -> dict[str, object] | str:
    """Return the row's fields, or what is wrong with it."""
    value = row.value
    if isinstance(value, list) and len(value) == 2:
        value = {args.query_field: value[0], args.document_field: value[1]}
    if not isinstance(value, dict):
        return f'expected {{"{args.query_field}": ..., "{args.document_field}": ...}} or [query, document]'
    for name in (args.query_field, args.document_field):
        if name not in value:
            there = ", ".join(value) or "none"
            return f"no field {name!r}; there are: {there} (--query-field and --document-field name others)"
    if args.score_field in value:
        return f"there is a field {args.score_field!r} already (--score-field names another)"
    if not isinstance(value[args.query_field], str):
        return f"the field {args.query_field!r} is not a text"
    return value


def _write(rows: Sequence[dict[str, object]], scores: Sequence[float], args: argparse.Namespace, *, kind: str) -> None:
    scored = ({**row, args.score_field: score} for row, score in zip(rows, scores, strict=True))
    if kind == "jsonl":
        for row in scored:
            output.write_json(row)
        return
    if kind == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n", delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
    if rows and not args.no_header:
        writer.writerow([*rows[0], args.score_field])
    writer.writerows(list(row.values()) for row in scored)

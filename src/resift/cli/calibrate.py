"""Turn scores into probabilities and cut-offs, fitted to labelled pairs.

  resift calibrate labelled.jsonl --html report.html
  resift calibrate labelled.csv --group-field lang --model FOLDER
  resift calibrate judged.tsv --label-field grade --relevant-from 2 --out shop.json

A line of .jsonl is {"query": ..., "document": ..., "label": 0 or 1}; the header of .csv and .tsv names the columns.
Label what your search finds, the irrelevant documents too: probabilities hold for documents that come about like that.
Then: resift rank --scores calibrated --calibration FILE, or Reranker(calibration=FILE, scores="calibrated").
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from resift.cli import output
from resift.cli.options import (
    DEFAULTS,
    Opener,
    add_document_options,
    add_model_options,
    parse_template,
    text_of,
    text_problem,
)
from resift.cli.reading import BadLines, choose_format, read_rows, shown_name
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.calibration.calibrate import Calibrated
    from resift.reranker import Reranker
    from resift.types import Document

_LABELS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass
class _Read:
    """The columns of the file that are used, one entry a pair."""

    pairs: list[tuple[str, Document]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift calibrate`."""
    parser.add_argument("pairs", metavar="FILE", help="labelled pairs, - is standard input")
    parser.add_argument("--input-format", choices=["jsonl", "csv", "tsv"], help="of FILE, if not as its name ends")
    parser.add_argument("--query-field", metavar="NAME", default="query", help="default: query")
    parser.add_argument("--document-field", metavar="NAME", default="document", help="default: document")
    parser.add_argument("--label-field", metavar="NAME", default="label", help="default: label")
    parser.add_argument(
        "--relevant-from", metavar="GRADE", type=float, default=1, help="the least label of relevant pairs (default: 1)"
    )
    parser.add_argument("--group-field", metavar="NAME", help="the group of a pair, such as its language")
    parser.add_argument(
        "--cluster-field", metavar="NAME", help="names queries that belong together, such as translations of one"
    )
    parser.add_argument(
        "--method", choices=["auto", "platt", "isotonic"], default="auto", help="default: the better one"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the folds and of the intervals (default: 0)")
    shown = parser.add_argument_group("output")
    shown.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="default: calibration.json in the model's folder, or here where that is not yours",
    )
    shown.add_argument("--html", metavar="FILE", type=Path, help="write the report as a page with diagrams as well")
    shown.add_argument("--json", action="store_true", help="the report as one JSON object")
    add_document_options(parser)
    add_model_options(parser)
    parser.set_defaults(**{name: DEFAULTS[name] for name in ("scores", "calibration", "group")})


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Read the pairs, score them, fit, write the calibration and show what it is worth."""
    from resift.calibration.calibrate import calibrate

    bad = BadLines(args.pairs, skip=args.skip_bad)
    read = _read(args, bad)
    with open_reranker(args) as reranker, output.progress(len(read.pairs), label="Scoring") as show:
        found = calibrate(
            reranker.with_options(progress=lambda done, _: show(done)),
            read.pairs,
            read.labels,
            groups=read.groups if args.group_field is not None else None,
            clusters=read.clusters if args.cluster_field is not None else None,
            method=args.method,
            seed=args.seed,
        )
        out = args.out if args.out is not None else _place(args, reranker)
    found.calibration.save(out)
    if args.html is not None:
        found.save_html(args.html)
    _show(found, args)
    for message in bad.skipped:
        output.note(f"skipped: {message}")
    output.note(f"wrote {out}: {found.calibration.name}, from {len(read.pairs)} pairs of {shown_name(args.pairs)}")
    return 0


def _show(found: Calibrated, args: argparse.Namespace) -> None:
    if args.json:
        output.write_json(_finite(asdict(found.report)), indent=1)
        return
    for line in found.text.split("\n"):
        output.write(line)


def _finite(value: Any) -> Any:
    """Return the value with NaN, which JSON does not have, as null."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _place(args: argparse.Namespace, reranker: Reranker) -> Path:
    """Return where the file goes: beside a model of the user's own, never into a cache or this package."""
    from resift.calibration.records import FILE

    own = args.model is not None and Path(args.model).expanduser().is_dir()
    return reranker.folder / FILE if own else Path(FILE)


def _read(args: argparse.Namespace, bad: BadLines) -> _Read:
    kind = choose_format(args.pairs, args.input_format, stdin="jsonl")
    if kind == "txt":
        raise InputError("labelled pairs have fields: .txt has none", hint="--input-format jsonl, csv or tsv")
    template = parse_template(args)
    read = _Read()
    for row in read_rows(args.pairs, kind, bad=bad):
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

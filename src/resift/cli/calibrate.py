"""Turn scores into probabilities and cut-offs, fitted to labelled pairs.

  resift calibrate labelled.jsonl --html report.html
  resift calibrate labelled.csv --group-field lang --model FOLDER
  resift calibrate judged.tsv --label-field grade --relevant-from 2 --out shop.json
  resift calibrate FOLDER --run bm25.trec --depth 20

A line of .jsonl is {"query": ..., "document": ..., "label": 0 or 1}; the header of .csv and .tsv names the columns.
A folder holds queries, documents and judgements as for `resift eval`; the pairs are the best documents of the run.
Label what your search finds, the irrelevant documents too: probabilities hold for documents that come about like that.
Then: resift rank --scores calibrated --calibration FILE, or Reranker(calibration=FILE, scores="calibrated").
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.calibrate_pairs import read_dataset_pairs, read_file_pairs
from resift.cli.options import DEFAULTS, Opener, add_document_options, add_model_options, positive
from resift.cli.reading import BadLines, shown_name

if TYPE_CHECKING:
    from resift.calibration.calibrate import Calibrated
    from resift.reranker import Reranker


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift calibrate`."""
    parser.add_argument("pairs", nargs="+", metavar="FILE", help="labelled pairs, - is standard input; or FOLDERs")
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
    judged = parser.add_argument_group("folders of judgements (documents without one count as irrelevant)")
    judged.add_argument("--run", metavar="FILE", type=Path, help="what your search found, where the folder has none")
    judged.add_argument("--depth", metavar="N", type=positive, default=20, help="documents of a query (default: 20)")
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

    single = len(args.pairs) == 1 and not Path(args.pairs[0]).is_dir()
    bad = BadLines(args.pairs[0], skip=args.skip_bad)
    read = read_file_pairs(args, bad) if single else read_dataset_pairs(args)
    with open_reranker(args) as reranker, output.progress(len(read.pairs), label="Scoring") as show:
        found = calibrate(
            reranker.with_options(progress=lambda done, _: show(done)),
            read.pairs,
            read.labels,
            groups=read.groups,
            clusters=read.clusters,
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
    source = ", ".join(map(shown_name, args.pairs))
    output.note(f"wrote {out}: {found.calibration.name}, from {len(read.pairs)} pairs of {source}")
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

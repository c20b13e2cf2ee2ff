"""Find out on judged queries whether reranking helps: quality, significance, waiting time, and whom it hurts.

  resift eval scifact                                         a folder of BEIR, MIRACL, Mr.TyDi ...
  resift eval judged.jsonl --model BAAI/bge-reranker-v2-m3 --model reranker-int8 --html report.html
  resift eval xquad.zh.json --first-stage bm25 --precision fp32 int8 --depth 10 50 --limit 300
  resift eval --queries q.tsv --corpus docs.jsonl --qrels q.trec --first-stage bm25.run --metric nDCG@10 RR@10
  resift eval --queries q.tsv --qrels q.trec --first-stage pipeline:my-index    documents are those of resift index
  resift eval --show report.json --latex

A line of judged.jsonl is {"query": ..., "documents": [...], "labels": [...]}, in the order of your own search, or
{"query": ..., "positive": [...], "negative": [...]}. Several datasets are measured together, by language too; the same
query id in them is the same question. The candidates are fixed: those of the dataset, of a run, or of BM25.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.eval_models import model_name, run_models
from resift.cli.eval_pipeline import PREFIX, read_with_pipeline
from resift.cli.options import DEFAULTS, Opener, add_window_options, positive
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.evaluation import Dataset, Plan, Report

_BM25 = "bm25"
_LEAST_FOUND = 100
_METRICS = ("nDCG@10", "RR@10", "R@10", "AP")
_DEPTHS = (10, 20, 50, 100)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift eval`."""
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="a folder, a file, irds:NAME or hf:NAME")
    parser.add_argument("--show", metavar="FILE", type=Path, help="show a saved report and measure nothing")
    _add_data_options(parser.add_argument_group("data"))
    what = parser.add_argument_group("what is measured")
    what.add_argument("--metric", nargs="+", metavar="NAME", default=[*_METRICS],
                      help=f"names of ir_measures, the first is tested (default: {' '.join(_METRICS)})")  # fmt: skip
    what.add_argument("--depth", nargs="+", type=positive, metavar="N", default=[*_DEPTHS],
                      help="candidates that are reranked (default: 10 20 50 100)")  # fmt: skip
    what.add_argument("--worst", type=positive, default=10, metavar="N", help="queries to show (default: 10)")
    what.add_argument("--rounds", type=positive, default=10_000, metavar="N", help="of tests and intervals")
    what.add_argument("--keep", metavar="FOLDER", type=Path,
                      help="keep scores there: the same command goes on where it was interrupted")  # fmt: skip
    _add_model_options(parser.add_argument_group("models"))
    shown = parser.add_argument_group("report")
    form = shown.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything as one JSON object in place of the tables")
    form.add_argument("--csv", action="store_true", help="the tables for a spreadsheet")
    form.add_argument("--latex", action="store_true", help="the table for a paper")
    shown.add_argument("--html", metavar="FILE", type=Path, help="write a page with plots too")
    shown.add_argument("--save", metavar="FILE", type=Path, help="write the JSON to a file as well")
    shown.add_argument("--per-query", metavar="FILE", type=Path, help="write every query's values as CSV")
    shown.add_argument("--runs", metavar="FOLDER", type=Path, help="write every ranking as a TREC run")


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--queries", metavar="FILE", type=Path, help="in place of DATASET: .jsonl, or id and text")
    group.add_argument("--corpus", metavar="FILE", type=Path, nargs="+", default=[], help="the documents' files")
    group.add_argument("--qrels", metavar="FILE", type=Path, help="with --queries: the judgements")
    group.add_argument("--split", metavar="NAME", help="of a folder (default: test, else dev, else train)")
    group.add_argument("--language", nargs="+", metavar="CODE", help="only queries in these languages")
    group.add_argument("--limit", metavar="N", type=positive, help="only N queries of each dataset, drawn by --seed")
    group.add_argument("--seed", metavar="N", type=int, default=0, help="of all that is drawn (default: 0)")
    group.add_argument("--unrelated", action="store_true", help="the same query id in two datasets means nothing")
    group.add_argument(
        "--first-stage", metavar="RUN", help="a file of candidates, bm25, or pipeline:FOLDER (default: the dataset's)"
    )


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="MODEL", action="append", help="a folder or a hub id; again for more models")
    group.add_argument("--precision", nargs="+", choices=["fp32", "bf16", "fp16", "int8"], help="each of these")
    group.add_argument("--revision", metavar="REV", help="commit, tag or branch of hub models")
    group.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    group.add_argument("--device", metavar="DEVICE", help="cpu (default)")
    group.add_argument("--backend", metavar="NAME", help="native (default) or reference, which is slow")
    group.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: the cores we may use)")
    group.add_argument("--max-length", metavar="TOKENS", type=positive, help="longest query and document together")
    group.add_argument("--max-batch-tokens", metavar="TOKENS", type=positive, help="tokens at once: bounds memory")
    add_window_options(group)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Measure, or read what was measured, and show it."""
    if args.show is not None:
        show(read_report(args.show), args)
        return 0
    if bool(args.datasets) == (args.queries is not None):
        raise InputError(
            "name a DATASET, or its files with --queries, --corpus and --qrels",
            hint="DATASET comes first: an option that takes several values takes all that follows it",
        )
    for file in (args.html, args.save, args.per_query):
        if file is not None and not file.resolve().parent.is_dir():  # now, not when all is measured
            raise InputError(f"{file}: there is no folder {file.parent}")
    from resift.evaluation import Settings, analyse
    from resift.evaluation.measures import Meter

    Meter(args.metric, {"query": {"document": 1}})  # the same: a name that is no metric
    plan = make_plan(args)
    systems = [
        argparse.Namespace(**{**DEFAULTS, **vars(args), "model": model, "precision": precision})
        for model in args.model or [None]
        for precision in args.precision or [None]
    ]
    pairs = sum(len(found[: plan.depths[-1]]) for found in plan.candidates.values())
    output.note(f"{plan.dataset.name}: {len(plan.queries)} queries, {pairs} candidates; models to run: {len(systems)}")
    scored, facts = run_models(plan, systems, open_reranker, keep=args.keep)
    report = analyse(plan, scored, settings=Settings(args.metric, args.rounds, args.seed, args.worst), facts=facts)
    if args.runs is not None:
        _write_runs(args.runs, plan, scored)
    show(report, args)
    return 0


def make_plan(args: argparse.Namespace) -> Plan:
    """Read the data that the options name, and find candidates where they ask for it."""
    from resift.evaluation import combine, make_plan

    datasets = _datasets(args)
    whole = combine(datasets, parallel_ids=not args.unrelated)
    return make_plan(whole, depths=args.depth)


def _datasets(args: argparse.Namespace) -> list[Dataset]:
    """Return the datasets with their candidates, only the queries that were asked for in them."""
    from resift.evaluation import read_dataset, read_files, read_run, select

    if args.first_stage is not None and args.first_stage.startswith(PREFIX):
        return [select(_with_pipeline(args), limit=args.limit, seed=args.seed, languages=args.language)]
    if args.queries is not None and not (args.corpus and args.qrels):
        raise InputError("--queries goes with --corpus and --qrels")
    run = None
    if args.first_stage is not None and args.first_stage != _BM25:
        if len(args.datasets) > 1:
            raise InputError("a run belongs to one dataset", hint="--first-stage bm25, or one dataset at a time")
        run = read_run(Path(args.first_stage))
    only = {document for documents in run.values() for document in documents} if run is not None else None
    if args.queries is not None:
        found = [read_files(queries=args.queries, corpus=args.corpus, qrels=args.qrels, only=only)]
    else:
        found = [read_dataset(name, split=args.split, corpus=args.corpus, only=only) for name in args.datasets]
    chosen = []
    for whole in found:
        dataset = select(whole, limit=args.limit, seed=args.seed, languages=args.language)
        if run is not None:
            dataset = replace(dataset, first_stage=run, first_stage_name=Path(args.first_stage).name)
        elif args.first_stage == _BM25 or dataset.first_stage is None:
            dataset = _with_bm25(dataset, max(_LEAST_FOUND, *args.depth))
        chosen.append(dataset)
    return chosen


def _with_pipeline(args: argparse.Namespace) -> Dataset:
    if args.queries is None or args.qrels is None or args.corpus:
        raise InputError(
            "an index brings its own documents: it goes with --queries and --qrels, and no DATASET or --corpus"
        )
    folder = args.first_stage.removeprefix(PREFIX)
    return read_with_pipeline(folder, queries=args.queries, qrels=args.qrels, depth=max(_LEAST_FOUND, *args.depth))


def _with_bm25(dataset: Dataset, depth: int) -> Dataset:
    from resift.evaluation import retrieve
    from resift.retrieval.bm25 import BM25

    output.note(f"{dataset.name}: BM25 over {len(dataset.documents)} documents, the first {depth} for each query")
    index = BM25(list(dataset.documents.values()))
    found = retrieve(dataset, index.search, depth=depth)
    return replace(dataset, first_stage=found, first_stage_name="BM25 over character n-grams")


def _write_runs(folder: Path, plan: Plan, scored: dict[str, Any]) -> None:
    from resift.evaluation import write_run
    from resift.evaluation.scores import rankings

    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder / "first-stage.run", plan.candidates, tag="first-stage")
    for name, scores in scored.items():
        for depth in plan.depths:
            tag = f"{model_name(name)}-top-{depth}"
            write_run(folder / f"{tag}.run", rankings(plan, scores.of, depth), tag=tag)


def show(report: Report, args: argparse.Namespace) -> None:
    """Write the report as it was asked for."""
    from resift.evaluation import as_csv, as_html, as_latex, as_text
    from resift.evaluation.tables import queries_csv

    for file, text in (
        (args.html, as_html),
        (args.per_query, lambda report: queries_csv(report) + "\n"),
        (args.save, lambda report: json.dumps(report, indent=1, ensure_ascii=False) + "\n"),
    ):
        if file is not None:
            file.write_text(text(report), encoding="utf-8")
            output.note(f"wrote {file}")
    if args.json:
        output.write_json(report, indent=1)
        return
    if args.csv or args.latex:
        output.write(as_csv(report) if args.csv else as_latex(report))
        return
    for line in as_text(report).split("\n"):
        output.write(output.printable_line(line))


def read_report(file: Path) -> Report:
    """Return a saved report; raises InputError when the file is none."""
    from resift.evaluation.experiment import FORMAT

    try:
        report: Report = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{file} is no report: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT or "ceiling" not in report:
        raise InputError(f"{file} is no report of this version of resift eval")
    return report

"""Search a folder that `resift index` made: recall, fusion and rerank, with what each stage did.

  resift search my-index "how do I renew my card"
  resift search my-index                                    without a query, on a terminal: ask as often as you like
  resift search my-index "trail shoes" --where 'price<100' --where brand=asics,brooks --top-k 5
  resift search my-index "退货 要几天" --explain --json
  resift search my-index --queries questions.tsv --run found.trec
  resift search my-index --queries questions.tsv --qrels judged.tsv     what each stage is worth, and how deep to rerank

Conditions on documents' fields: lang=zh, brand=a,b (one of them), price<100, year>=2020, colour!=red, sale (the field
is there), !sale; all of them have to hold. A file of queries has one on each line (.txt), id and text (.tsv), or
{"id": ..., "query": ...} (.jsonl); `--queries -`, or a pipe, is standard input.
Passages go to stdout, as text or, with --json, an object for each query; how long each stage took goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.conditions import read_conditions
from resift.cli.options import DEFAULTS, Opener, add_model_options, positive
from resift.cli.pipelines import open_folder
from resift.cli.reading import STDIN, BadLines
from resift.cli.search_asking import Asking
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.cli.search_queries import Query
    from resift.cli.search_view import Look
    from resift.pipeline import Pipeline, SearchResult
    from resift.pipeline.reranking import RankerSpec

QUERIES_AT_ONCE = 32
"""Queries of one engine call: enough to fill batches, few enough that results appear while others are computed."""
_MADE = "pipeline.json"
_EXPLAINED = 3
_DEEP = 100
_DEPTHS = (5, 10, 20, 50, 100)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift search`."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="what `resift index` made")
    parser.add_argument("words", nargs="*", metavar="QUERY", help="words of one query, quoted or not")
    parser.add_argument("--queries", metavar="FILE", help="many queries, - is standard input")
    _add_stage_options(parser.add_argument_group("what is found"))
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--explain", nargs="?", type=positive, const=_EXPLAINED, metavar="N",
                       help=f"which stage found a passage, and which sentence of the best N carried the score "
                            f"(default: {_EXPLAINED})")  # fmt: skip
    shown.add_argument("--full", action="store_true", help="whole passages")
    shown.add_argument("--show", metavar="FIELD,...", default="", help="fields of the documents")
    shown.add_argument("--json", action="store_true", help="an object for each query, on a line of its own")
    shown.add_argument("--run", metavar="FILE", type=Path,
                       help="with --queries: documents as a TREC run, for resift eval")  # fmt: skip
    shown.add_argument(
        "--qrels", metavar="FILE", type=Path, help="with --queries: measure each stage on these judgements"
    )
    shown.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR=1)")
    _add_reranker_options(parser)


def _add_stage_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--top-k", metavar="N", type=positive, default=10, help="passages (default: 10)")
    group.add_argument("--where", metavar="CONDITION", action="append", default=[],
                       help="only documents of which it is true: lang=zh, 'price<100'; again for more")  # fmt: skip
    group.add_argument("--recall", metavar="N", type=positive, default=100,
                       help="passages that each store is asked for (default: 100)")  # fmt: skip
    group.add_argument("--depth", metavar="N", type=positive, default=50,
                       help="how many of them are reranked (default: 50)")  # fmt: skip
    group.add_argument(
        "--blend",
        metavar="SHARE",
        type=float,
        help="of the reranker in the order, 0 to 1; the rest is the first stage's (default: 1; built-in model: less)",
    )
    group.add_argument("--no-rerank", action="store_true", help="in the order of the first stage")
    group.add_argument("--threshold", metavar="SCORE", type=float, help="leave out what scores lower")
    group.add_argument("--per-document", metavar="N", type=positive, help="passages of one document at most")
    group.add_argument("--context", metavar="N", type=positive, default=0,
                       help="show each passage with N neighbours on each side")  # fmt: skip
    group.add_argument("--stores", metavar="NAME,...", help="only these of the folder's stores")


def _add_reranker_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reranker")
    group.add_argument("--url", metavar="URL", help="rerank on a server (resift serve); its key: RESIFT_API_KEY")
    group.add_argument("--scores", choices=["raw", "sigmoid", "calibrated"], default="raw",
                       help="logits (default), 0 to 1, or the probabilities of a calibration")  # fmt: skip
    group.add_argument("--calibration", metavar="FILE", help="what `resift calibrate` wrote, or auto")
    group.add_argument("--group", metavar="NAME", help="the group whose calibration is used, such as a language")
    add_model_options(parser)
    mine = {"scores", "calibration", "group"}
    parser.set_defaults(**{name: value for name, value in DEFAULTS.items() if name not in mine})


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Search, or talk with whoever sits at the terminal."""
    asking = _asking(args)
    if args.depth > _DEEP:
        output.note(
            f"note: reranking deeper than {_DEEP} rarely helps and often hurts: resift eval says it for your data"
        )
    many = args.queries is not None
    if many and args.words:
        raise InputError("--queries brings its own queries: QUERY does not go with it")
    if (args.run is not None or args.qrels is not None) and not many:
        raise InputError("--run and --qrels are of many queries", hint="name them: --queries FILE")
    _check_folder(args.folder)
    if not many and not args.words:
        if sys.stdin.isatty() and sys.stdout.isatty() and not args.json:
            from resift.cli.search_session import talk

            return talk(lambda: open_pipeline(args, open_reranker), asking, _look(args), no_color=args.no_color)
        args.queries = STDIN
    bad = BadLines(args.queries or "")
    queries = _queries(args, bad)
    with open_pipeline(args, open_reranker) as pipeline:
        if args.qrels is not None:
            _measure(pipeline, queries, asking, args)
            return 0
        results = _search(pipeline, queries, asking)
        if args.run is not None:
            _write_run(args.run, queries, results)
        elif args.json:
            for query, result in zip(queries, results, strict=True):
                named = {"id": query.id} if args.queries is not None else {}
                output.write_json({**named, **result.to_dict()})
        else:
            _show(queries, results, args)
    return 0


def open_pipeline(args: argparse.Namespace, open_reranker: Opener) -> Pipeline:
    """Open the folder for reading, with the reranker that the options name."""
    return open_folder(args.folder, reranker=_ranker(args, open_reranker), writable=False, depth=args.depth)


def _ranker(args: argparse.Namespace, open_reranker: Opener) -> RankerSpec:
    if args.no_rerank:
        return False
    if args.url is None:
        return open_reranker(args)
    if args.calibration is not None:
        raise InputError("--calibration is of a model here, and --url reranks on a server", hint="start it with one")
    from resift.client.client import Client

    key = os.environ.get("RESIFT_API_KEY") or None
    return Client(args.url, api_key=key, model=args.model, scores=args.scores, group=args.group)


def _check_folder(folder: Path) -> None:
    """Say at once that there is no index: the pipeline's own check takes a second of imports."""
    if not (folder / _MADE).is_file():
        raise InputError(f"{folder} holds no index", hint=f"make one: resift index {folder} FILES...")


def _asking(args: argparse.Namespace) -> Asking:
    return Asking(
        top_k=args.top_k,
        recall=args.recall,
        depth=args.depth,
        where=read_conditions(args.where),
        rerank=not args.no_rerank,
        blend=args.blend,
        threshold=args.threshold,
        per_document=1 if args.run is not None else args.per_document,
        context=args.context,
        explain=0 if args.explain is None or args.no_rerank else args.explain,
        stores=None if args.stores is None else [name.strip() for name in args.stores.split(",")],
    )


def _look(args: argparse.Namespace) -> Look:
    from resift.cli.search_view import Look

    fields = [name.strip() for name in args.show.split(",") if name.strip()]
    return Look(full=args.full, why=args.explain is not None, fields=fields)


def _queries(args: argparse.Namespace, bad: BadLines) -> Sequence[Query]:
    from resift.cli.search_queries import Query, read_queries

    if args.queries is None:
        return [Query("1", " ".join(args.words))]
    return read_queries(args.queries, bad=bad)


def _search(pipeline: Pipeline, queries: Sequence[Query], asking: Asking) -> Iterator[SearchResult]:
    rest = iter(queries)
    with output.progress(len(queries), label="Searching", unit="query") as show:
        done = 0
        while some := list(islice(rest, QUERIES_AT_ONCE)):
            yield from asking.ask(pipeline, [query.text for query in some])
            done += len(some)
            show(done)


def _show(queries: Sequence[Query], results: Iterator[SearchResult], args: argparse.Namespace) -> None:
    from rich.text import Text

    from resift.cli.search_view import show_result, stages_line

    console = output.console(no_color=args.no_color)
    for query, result in zip(queries, results, strict=True):
        if args.queries is not None:
            console.print(Text(output.printable(f"{query.id}: {query.text}", limit=200), "bold"))
        show_result(result, console, _look(args))
        if args.queries is None:
            sys.stdout.flush()
            output.note(stages_line(result))


def _measure(pipeline: Pipeline, queries: Sequence[Query], asking: Asking, args: argparse.Namespace) -> None:
    from resift.evaluation import read_qrels

    judged = read_qrels(args.qrels)
    relevant = {key: {one: grade for one, grade in grades.items() if grade > 0} for key, grades in judged.items()}
    asked = [query for query in queries if relevant.get(query.id)]
    if not asked:
        raise InputError(
            f"none of the {len(queries)} queries has a relevant document in {args.qrels}",
            hint="are the ids of queries and judgements the same?",
        )
    if len(asked) < len(queries):
        output.note(f"{len(queries) - len(asked)} queries have no relevant document and are left out")
    found = pipeline.measure(
        [query.text for query in asked],
        [relevant[query.id] for query in asked],
        depths=sorted({depth for depth in (*_DEPTHS, asking.depth) if depth <= asking.depth}),
        blends=None if asking.blend is None else [asking.blend, 1.0],
        recall=max(asking.recall, asking.depth),
        where=asking.where,
        stores=asking.stores,
    )
    if args.json:
        output.write_json({**asdict(found), "best_depth": found.best_depth})
        return
    for line in str(found).splitlines():
        output.write(line)


def _write_run(file: Path, queries: Sequence[Query], results: Iterator[SearchResult]) -> None:
    from resift.evaluation import write_run

    if not file.resolve().parent.is_dir():  # now, not when all is found
        raise InputError(f"{file}: there is no folder {file.parent}")
    found = {query.id: [hit.document for hit in result] for query, result in zip(queries, results, strict=True)}
    write_run(file, found)
    output.note(f"wrote {file}: {sum(map(len, found.values()))} documents for {len(found)} queries")

"""Put documents in order for a query.

  resift rank "how do plants breathe" "Leaves take in air." "Roots take in water."
  resift rank "how do plants breathe" --documents notes.txt --top-k 5
  resift rank --input questions.jsonl --format jsonl > ranked.jsonl

Documents come from the command line, from a file with one on each line (.txt, .jsonl, .csv, .tsv) or, with
`--documents -`, from standard input. In .jsonl a line is a text or an object, in .csv and .tsv the header names the
fields. `--input` takes many queries: JSON Lines of {"query": ..., "documents": [...], "id": ...}.

The output is a table, also when it is not a terminal; programs ask for json (one object) or jsonl (one line per query).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from resift.cli import output
from resift.cli.options import (
    Opener,
    add_model_options,
    add_text_options,
    parse_template,
    positive,
    text_of,
    text_problem,
)
from resift.cli.reading import FORMATS, BadLines, choose_format, read_rows
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.reranker import Reranker
    from resift.types import Document, RankedDocument

QUERIES_AT_ONCE = 32
"""Queries of one engine call: enough to fill batches, few enough that results appear while others are computed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One query and its documents; `id` is the caller's own and None when there is none."""

    query: str
    documents: Sequence[Document]
    id: object = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift rank`."""
    parser.add_argument("query", nargs="?", metavar="QUERY")
    parser.add_argument("texts", nargs="*", metavar="DOCUMENT")
    parser.add_argument("--documents", metavar="FILE", help="read documents from a file, - is standard input")
    parser.add_argument("--input", metavar="FILE", help="read many queries with their documents from JSON Lines")
    parser.add_argument(
        "--input-format", choices=sorted(set(FORMATS.values())), help="of FILE, if not as its name ends"
    )
    parser.add_argument("--top-k", metavar="N", type=positive, help="show the best N documents (default: all)")
    parser.add_argument("--format", choices=["table", "json", "jsonl"], default="table", help="of the output")
    parser.add_argument("--no-color", action="store_true", help="no colours in the table (also: NO_COLOR=1)")
    add_text_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Rank and write the rankings."""
    tasks, bad = _read_tasks(args)
    with open_reranker(args) as reranker:
        rankings = _rank(reranker, tasks, args)
        if args.format == "json":
            shown = [_as_json(task, ranked) for task, ranked in rankings]
            output.write_json({"info": asdict(reranker.info), "rankings": shown}, indent=2)
        elif args.format == "jsonl":
            for task, ranked in rankings:
                output.write_json({**_as_json(task, ranked), "info": asdict(reranker.info)})
        else:
            _write_tables(rankings, reranker, args)
    for message in bad.skipped:
        output.note(f"skipped: {message}")
    return 0


def _read_tasks(args: argparse.Namespace) -> tuple[list[Task], BadLines]:
    source = args.input if args.input is not None else args.documents
    bad = BadLines(source or "", skip=args.skip_bad)
    if args.input is not None:
        if args.query is not None or args.documents is not None:
            raise InputError("--input brings its own queries: QUERY, DOCUMENT and --documents do not go with it")
        return list(_read_batch(args, bad)), bad
    if args.query is None:
        raise InputError("no query", hint="resift rank QUERY DOCUMENT DOCUMENT ..., or --input FILE")
    documents: list[Document] = list(args.texts)
    if args.documents is not None:
        documents += _read_documents(args, bad)
    elif not documents:
        raise InputError(
            "no documents", hint="name them after the query or with --documents FILE (- is standard input)"
        )
    return [Task(args.query, documents)], bad


def _read_documents(args: argparse.Namespace, bad: BadLines) -> Iterator[Document]:
    kind = choose_format(args.documents, args.input_format, stdin="txt")
    template = parse_template(args)
    for row in read_rows(args.documents, kind, bad=bad):
        if problem := text_problem(row.value, args.text_field, template):
            bad.report(row.line, problem)
        else:
            yield cast("Document", row.value)


def _read_batch(args: argparse.Namespace, bad: BadLines) -> Iterator[Task]:
    if choose_format(args.input, args.input_format, stdin="jsonl") != "jsonl":
        raise InputError("--input is JSON Lines", hint="a table of (query, document) rows goes to: resift score")
    template = parse_template(args)
    for row in read_rows(args.input, "jsonl", bad=bad):
        if problem := _shape_problem(row.value):
            bad.report(row.line, problem)
            continue
        task = cast("dict[str, Any]", row.value)
        problems = (text_problem(document, args.text_field, template) for document in task["documents"])
        place, problem = next(((place, found) for place, found in enumerate(problems) if found), (0, None))
        if problem:
            bad.report(row.line, f"document {place}: {problem}")
        else:
            yield Task(task["query"], task["documents"], task.get("id"))


def _shape_problem(value: object) -> str | None:
    if not isinstance(value, dict):
        return 'expected an object {"query": ..., "documents": [...]}'
    if not isinstance(value.get("query"), str):
        return "'query' is missing or not a text"
    if not isinstance(value.get("documents"), list):
        return "'documents' is missing or not a list"
    return None


def _rank(
    reranker: Reranker, tasks: Sequence[Task], args: argparse.Namespace
) -> Iterator[tuple[Task, list[RankedDocument]]]:
    done = 0
    remaining = iter(tasks)
    with output.progress(sum(len(task.documents) for task in tasks), label="Reranking") as show:
        while some := list(islice(remaining, QUERIES_AT_ONCE)):
            view = reranker.with_options(progress=_after(done, show))
            yield from zip(some, _rank_some(view, some, args), strict=True)
            done += sum(len(task.documents) for task in some)


def _after(done: int, show: Callable[[int], None]) -> Callable[[int, int], None]:
    return lambda scored, _: show(done + scored)


def _rank_some(reranker: Reranker, tasks: Sequence[Task], args: argparse.Namespace) -> list[list[RankedDocument]]:
    texts = [[text_of(document, args.text_field) for document in task.documents] for task in tasks]
    return reranker.rank_many([task.query for task in tasks], texts, top_k=args.top_k)


def _as_json(task: Task, ranked: Sequence[RankedDocument]) -> dict[str, object]:
    named: dict[str, object] = {} if task.id is None else {"id": task.id}
    return {**named, "query": task.query, "results": [_result(task, one) for one in ranked]}


def _result(task: Task, one: RankedDocument) -> dict[str, object]:
    result: dict[str, object] = {
        "index": one.index,
        "score": one.score,
        "document": task.documents[one.index],
        "truncated": one.truncated,
    }
    if one.window is not None:
        result["window"] = asdict(one.window)
    return result


def _write_tables(
    rankings: Iterator[tuple[Task, list[RankedDocument]]], reranker: Reranker, args: argparse.Namespace
) -> None:
    from rich.table import Table
    from rich.text import Text

    console = output.console(no_color=args.no_color)
    for task, ranked in rankings:
        title = task.query if task.id is None else f"{task.id}: {task.query}"
        console.print(Text(output.printable(title, limit=200), style="bold"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("place", "score", "document"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("text", overflow="fold")
        for place, one in enumerate(ranked, start=1):
            table.add_row(str(place), f"{one.score:.4f}", str(one.index), Text(_shown(task.documents[one.index], one)))
        console.print(table)
    info = reranker.info
    cut = "cut at" if args.windows is None else "windows within"
    console.print(
        Text(f"{info.model}, {info.precision} on {info.device}, {args.scores} scores, {cut} {info.max_length}", "dim")
    )


def _shown(document: Document, one: RankedDocument) -> str:
    text = document if isinstance(document, str) else " | ".join(f"{key}: {value}" for key, value in document.items())
    if one.window is not None and isinstance(document, str):
        text = f"[window {one.window.index + 1} of {one.window.count}] {text[one.window.start : one.window.end]}"
    return ("[cut] " if one.truncated else "") + output.printable(text, limit=240)

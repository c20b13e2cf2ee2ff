"""Make a folder that `resift search` finds passages in, or bring it up to date.

  resift index my-index docs/ handbook.pdf                      text, Markdown, HTML, PDF, JSON Lines, CSV ...
  resift index my-index docs/ --sync                            again later: what is gone from docs/ is deleted
  resift index shop products.csv --id-field sku --template 'Title: {title}\\nBrand: {brand}'
  resift index notes docs/ --stores bm25,faiss                  by meaning too, across languages
  zcat rows.jsonl.gz | resift index my-index -                  rows of standard input, JSON Lines
  resift index my-index --info

Documents are cut into passages at headings, paragraphs and sentences. What is there unchanged costs nothing; a file or
row of the same id with other content is replaced. The other fields of rows, and the path and front matter of files, are
kept: `--where` of `resift search` asks for them. Options of the folder are given once, when it is made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.options import Opener, positive, read_template
from resift.cli.reading import STDIN, BadLines
from resift.errors import InputError, ResiftError

if TYPE_CHECKING:
    from resift.documents import Chunking, Columns, Document
    from resift.pipeline import Changes, Pipeline, PipelineInfo

_MADE = ("stores", "encoder", "analyzer", "faiss_kind", "milvus", "fusion", "weights")
_CUT = ("chunk_size", "chunk_overlap")
_READ = ("template", "id_field", "text_field", "title_field")
"""Options of a folder, which it keeps."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift index`."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where everything is kept")
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="files and folders; - is standard input")
    parser.add_argument("--sync", action="store_true", help="delete the documents that are not in the SOURCEs")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read, and say so")
    parser.add_argument("--delete", nargs="+", metavar="ID", default=[], help="delete documents")
    parser.add_argument("--compact", action="store_true", help="give the space of what was deleted back")
    parser.add_argument("--info", action="store_true", help="show what is in the folder")
    parser.add_argument("--json", action="store_true", help="the summary, or --info, as one JSON object")
    made = parser.add_argument_group("options of the folder, when it is made")
    made.add_argument("--stores", metavar="NAME,...", help="of bm25, faiss, milvus (default: bm25)")
    made.add_argument("--encoder", metavar="SPEC",
                      help="vectors of faiss and milvus: resift (default, built in), sentence-transformers:NAME, "
                           "or http://HOST/v1/embeddings#MODEL")  # fmt: skip
    made.add_argument("--analyzer", metavar="NAME",
                      help="words of bm25: ngrams (default, any language), words, or jieba")  # fmt: skip
    made.add_argument("--faiss-kind", choices=["flat", "hnsw", "ivf"], help="flat (default), hnsw or ivf")
    made.add_argument("--milvus", metavar="URL", help="of a server (default: a file in the folder)")
    made.add_argument("--fusion", choices=["rrf", "weighted"], help="of several stores (default: rrf)")
    made.add_argument("--weights", metavar="NAME=N,...", help="of the stores: bm25=2,faiss=1")
    made.add_argument("--chunk-size", metavar="N", type=positive, help="characters of a passage (default: 1000)")
    made.add_argument("--chunk-overlap", metavar="N", type=int, help="that neighbours share (default: 100)")
    rows = parser.add_argument_group("rows of JSON Lines, CSV and TSV, when the folder is made")
    rows.add_argument("--id-field", metavar="NAME", help="default: id, _id ...")
    text = rows.add_mutually_exclusive_group()
    text.add_argument("--text-field", metavar="NAME", help="default: text, content, body ...; without, all fields")
    text.add_argument("--template", help=r"the text: 'Title: {title}\n{body}'")
    rows.add_argument("--title-field", metavar="NAME", help="default: title, name")


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - nothing is reranked
    """Make or open the folder, do what is asked, and say what was done."""
    from resift.pipeline import Pipeline

    there = Pipeline.exists(args.folder)
    if not there and (args.delete or args.compact or args.info or not args.sources):
        raise InputError(f"{args.folder} holds no index", hint=f"make one: resift index {args.folder} FILES...")
    if there and not (args.sources or args.delete or args.compact or args.info):
        raise InputError(f"nothing to do with {args.folder}", hint="name files to add, or --info, --delete, --compact")
    if args.sync and not args.sources:
        raise InputError("--sync compares the folder with SOURCEs, and there are none")
    try:
        with _opened(args, there) as pipeline:
            if there:
                _check_options(args, pipeline)
            _work(args, pipeline, fresh=not there)
    except OSError as error:
        if isinstance(error, ResiftError):
            raise
        raise ResiftError(f"{error.filename or args.folder}: {error.strerror or error}") from error
    return 0


def _opened(args: argparse.Namespace, there: bool) -> Pipeline:
    from resift.pipeline import Pipeline

    if there:
        only_shown = args.info and not (args.sources or args.delete or args.compact)
        return Pipeline(args.folder, reranker=False, writable=not only_shown)
    return Pipeline.create(
        args.folder,
        stores=_names(args.stores) or ("bm25",),
        encoder="resift" if args.encoder is None else args.encoder,
        analyzer="ngrams" if args.analyzer is None else args.analyzer,
        faiss_kind="flat" if args.faiss_kind is None else args.faiss_kind,
        milvus=args.milvus,
        chunking=_chunking(args),
        columns=_columns(args),
        fusion="rrf" if args.fusion is None else args.fusion,
        weights=_weights(args.weights),
        reranker=False,
    )


def _work(args: argparse.Namespace, pipeline: Pipeline, *, fresh: bool) -> None:
    summary: dict[str, Any] = {"folder": str(args.folder)}
    skipped: list[str] = []
    if args.delete:
        summary["deleted"] = _delete(args, pipeline)
    if args.sources:
        changes = _index(args, pipeline, skipped)
        deleted = changes.deleted + summary.get("deleted", 0)
        summary |= {**asdict(changes), "deleted": deleted, "skipped": skipped}
    if args.compact:
        summary["forgotten"] = pipeline.compact()
    if args.info:
        _show_info(pipeline.info, args)
        return
    for message in skipped:
        output.note(f"skipped: {output.printable(message)}")
    if args.json:
        output.write_json(summary)
    else:
        output.write(_sentence(summary))
        if fresh and output.wants_progress():
            output.note(f"search it: resift search {args.folder}")


def _delete(args: argparse.Namespace, pipeline: Pipeline) -> int:
    missing = [name for name in args.delete if pipeline.get(name) is None]
    if missing:
        raise InputError(f"{args.folder} has no document {missing[0]!r}", hint="nothing was deleted")
    return pipeline.delete(args.delete)


def _index(args: argparse.Namespace, pipeline: Pipeline, skipped: list[str]) -> Changes:
    documents = _read(args, pipeline, skipped)
    with _progress() as show:
        if args.sync:
            return pipeline.sync(documents, progress=show)
        return pipeline.add(documents, progress=show)


@contextmanager
def _progress() -> Iterator[Callable[[Changes], None]]:
    """Yield what shows how far it is: passages, and how many a second; nothing where nobody watches."""
    if not output.wants_progress():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(desc="Indexing", unit=" passages", leave=False, delay=0.5) as bar:

        def show(done: Changes) -> None:
            bar.set_postfix_str(f"{done.added + done.replaced + done.unchanged} documents", refresh=False)
            bar.update(done.passages - bar.n)

        yield show


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _sentence(summary: dict[str, Any]) -> str:
    counted = [f"{summary[name]} {name}" for name in ("added", "replaced", "unchanged", "deleted") if name in summary]
    if summary.get("skipped"):
        counted.append(f"{len(summary['skipped'])} skipped")
    if summary.get("empty"):
        counted.append(f"{summary['empty']} without text")
    line = f"{summary['folder']}: {', '.join(counted)}" if counted else str(summary["folder"])
    if "passages" in summary:
        rate = summary["passages"] / max(summary["seconds"], 1e-9)
        line += f"; {summary['passages']} passages in {summary['seconds']:.1f} s ({rate:.0f} a second)"
    if "forgotten" in summary:
        line += f"; {summary['forgotten']} passages forgotten"
    return line

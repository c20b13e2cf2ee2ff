r"""Make a folder that `resift search` finds passages in, or bring it up to date.

  resift index my-index docs/ handbook.pdf                      text, Markdown, HTML, PDF, JSON Lines, CSV ...
  resift index my-index docs/ --sync                            again later: what is gone from docs/ is deleted
  resift index shop products.csv --id-field sku --template 'Title: {title}\nBrand: {brand}'
  resift index notes docs/ --stores bm25,faiss                  by meaning too, across languages
  zcat rows.jsonl.gz | resift index my-index -                  rows of standard input, JSON Lines
  resift index my-index --info

Documents are cut into passages at headings, paragraphs and sentences. What is there unchanged costs nothing; a file or
row of the same id with other content is replaced. The other fields of rows, and the path and front matter of files, are
kept: `--where` of `resift search` asks for them. Options of the folder are given once, when it is made. Keys never get
into it: RESIFT_ENCODER_KEY is that of an encoder's server, RESIFT_MILVUS_TOKEN that of Milvus.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.index_info import show_info
from resift.cli.options import Opener, positive, read_template
from resift.cli.pipelines import keyed_encoder, milvus_token, open_folder
from resift.cli.reading import STDIN, BadLines
from resift.errors import InputError, ResiftError

if TYPE_CHECKING:
    from resift.documents import Chunking, Columns, Document
    from resift.pipeline import Changes, Pipeline


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift index`."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where everything is kept")
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="files and folders; - is standard input")
    parser.add_argument("--sync", action="store_true", help="delete the documents that are not in the SOURCEs")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read, and say so")
    parser.add_argument("--encoding", metavar="NAME", help="of all text files (default: found out, file by file)")
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
    made.add_argument(
        "--fusion",
        metavar="NAME",
        help="of several stores: rrf, weighted, or covered (rrf; covered beside the built-in encoder)",
    )
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
    if there:
        _check_options(args)
    for source in args.sources:  # now, not when a folder was made for nothing
        if source != STDIN and not Path(source).exists():
            raise InputError(f"{source}: there is no such file or folder")
    try:
        with _opened(args, there) as pipeline, _undone(args.folder, pipeline, there):
            _work(args, pipeline, fresh=not there)
    except KeyboardInterrupt:
        output.note("what was added is kept: the same command goes on" if args.folder.exists() else "nothing was added")
        raise
    except OSError as error:
        if isinstance(error, ResiftError | BrokenPipeError):
            raise
        raise ResiftError(f"{error.filename or args.folder}: {error.strerror or error}") from error
    return 0


def _opened(args: argparse.Namespace, there: bool) -> Pipeline:
    from resift.pipeline import Pipeline

    if there:
        only_shown = args.info and not (args.sources or args.delete or args.compact)
        return open_folder(args.folder, reranker=False, writable=not only_shown)
    options: dict[str, Any] = {"stores": _names(args.stores) or None, "weights": _weights(args.weights)}
    options |= {name: getattr(args, name) for name in ("encoder", "analyzer", "faiss_kind", "milvus", "fusion")}
    made = Pipeline.create(
        args.folder,
        **{name: value for name, value in options.items() if value is not None},
        chunking=_chunking(args),
        columns=_columns(args),
        reranker=False,
        milvus_token=milvus_token(),
    )
    if keyed_encoder(args.encoder) is None:
        return made
    made.close()  # the folder holds the encoder's name; its key is given with each opening
    return open_folder(args.folder, reranker=False, writable=True)


@contextmanager
def _undone(folder: Path, pipeline: Pipeline, there: bool) -> Iterator[None]:
    """Take a new folder away where nothing came into it: the next try may have other options."""
    try:
        yield
    except BaseException:
        if not there and len(pipeline) == 0:
            pipeline.close()
            shutil.rmtree(folder)
        raise


def _work(args: argparse.Namespace, pipeline: Pipeline, *, fresh: bool) -> None:
    summary: dict[str, Any] = {"folder": str(args.folder)}
    left = _Left()
    if args.delete:
        summary["deleted"] = _delete(args, pipeline)
    if args.sources:
        changes = _index(args, pipeline, left)
        deleted = changes.deleted + summary.get("deleted", 0)
        summary |= {**asdict(changes), "deleted": deleted, "skipped": left.errors, "passed_over": dict(left.reasons)}
    if args.compact:
        summary["forgotten"] = pipeline.compact()
    if args.info:
        show_info(pipeline.info, as_json=args.json)
        return
    for message in left.errors:
        output.note(f"skipped: {output.printable(message)}")
    if left.reasons:
        counted = ", ".join(f"{count} {reason}" for reason, count in left.reasons.most_common())
        output.note(f"files left out: {output.printable(counted)}")
    if args.sources and not any(summary[name] for name in ("added", "replaced", "unchanged", "empty", "skipped")):
        output.note(f"warning: nothing to index in {output.printable(', '.join(args.sources))}")
    if args.json:
        output.write_json(summary)
    else:
        output.write(_sentence(summary))
        if fresh and output.wants_progress():
            output.note(f"search it: resift search {args.folder}")


def _delete(args: argparse.Namespace, pipeline: Pipeline) -> int:
    for name in args.delete:
        if pipeline.get(name) is None:
            output.note(f"not there: {output.printable(name)}")
    return pipeline.delete(args.delete)


def _index(args: argparse.Namespace, pipeline: Pipeline, left: _Left) -> Changes:
    documents = _read(args, pipeline, left)
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
        seconds = summary["seconds"]
        rate = f" ({summary['passages'] / seconds:.0f} a second)" if seconds >= 1 and summary["passages"] else ""
        line += f"; {summary['passages']} passages in {seconds:.1f} s{rate}"
    if "forgotten" in summary:
        line += f"; {summary['forgotten']} passages forgotten"
    return line


def _read(args: argparse.Namespace, pipeline: Pipeline, left: _Left) -> Iterator[Document]:
    """Yield the documents of the sources, as the folder's rows are read."""
    from resift.documents import read_documents

    columns = pipeline.info.columns
    files = [source for source in args.sources if source != STDIN]
    on_error = left.failed if args.skip_bad else _stop
    if files:
        yield from read_documents(
            files, columns=columns, encoding=args.encoding, on_error=on_error, on_skip=left.passed_over
        )
    if STDIN in args.sources:
        yield from _read_rows(columns, BadLines(STDIN, skip=args.skip_bad), left.errors)
    if args.sync and left.errors:
        raise InputError(
            f"{len(left.errors)} of the files and rows could not be read, so nothing was deleted: {left.errors[0]}",
            hint="correct them or take them away, and run it again; without --sync the others are added",
        )


def _stop(error: InputError) -> None:
    """Raise what could not be read, with what to do about it."""
    hint = f"{error.hint or 'correct it'}; --skip-bad leaves out what cannot be read"
    raise type(error)(error.message, hint=hint) from error


class _Left:
    """What was not read: broken files and rows, and files that are none of ours."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.reasons: Counter[str] = Counter()

    def failed(self, error: InputError) -> None:
        self.errors.append(error.message)

    def passed_over(self, _: str, reason: str) -> None:
        self.reasons[reason] += 1


def _read_rows(columns: Columns, bad: BadLines, skipped: list[str]) -> Iterator[Document]:
    """Yield the rows of standard input as they come: there may be more than memory holds."""
    from resift.documents import as_document

    for number, line in enumerate(sys.stdin.buffer, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            yield as_document(row, columns=columns, source=f"{bad.name}:{number}")
        except (ValueError, RecursionError) as error:  # InputError is one of the former
            bad.report(number, error.message if isinstance(error, InputError) else f"not JSON: {error}")
            skipped.append(bad.skipped[-1])


def _chunking(args: argparse.Namespace) -> Chunking:
    from resift.documents import Chunking

    default = Chunking()
    size = default.size if args.chunk_size is None else args.chunk_size
    usual = min(default.overlap, size // 10)
    return Chunking(size=size, overlap=usual if args.chunk_overlap is None else args.chunk_overlap)


def _columns(args: argparse.Namespace) -> Columns:
    from resift.documents import Columns
    from resift.text.template import Template

    template = read_template(args)
    return Columns(
        id=args.id_field,
        text=args.text_field,
        title=args.title_field,
        template=None if template is None else Template(template),
    )


def _weights(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    weights = {}
    for part in _names(text):
        name, _, number = part.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise InputError(f"--weights has {part!r}, expected a store and a number", hint="bm25=2,faiss=1") from None
    return weights


def _check_options(args: argparse.Namespace) -> None:
    """Raise InputError where an option says something else than the folder was made with."""
    from resift.pipeline.config import read

    config = read(args.folder)
    options = {name: value for store in config.stores.values() for name, value in store.items()}
    template = config.columns.template
    known: dict[str, object] = {
        "stores": list(config.stores),
        "encoder": config.encoder,
        "analyzer": options.get("analyzer"),
        "faiss_kind": options.get("kind"),
        "milvus": options.get("uri"),
        "fusion": config.fusion,
        "weights": dict(config.weights),
        "chunk_size": config.chunking.size,
        "chunk_overlap": config.chunking.overlap,
        "id_field": config.columns.id,
        "text_field": config.columns.text,
        "title_field": config.columns.title,
        "template": None if template is None else template.source,
    }
    given = {name: getattr(args, name) for name in known} | {
        "stores": _names(args.stores) or None,
        "weights": _weights(args.weights),
        "template": read_template(args),
    }
    for name, value in given.items():
        if value is not None and value != known[name]:
            option = name.replace("_", "-")
            raise InputError(
                f"--{option} is {value!r}, and {args.folder} was made with {known[name]!r}",
                hint="leave the option out, or index everything again in a new folder",
            )

"""`resift train mine` and `resift train distill`: training data out of training data."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.options import DEFAULTS, Opener, add_running_options, positive, read_template
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.training import Example
    from resift.training.examples import Findings
    from resift.training.finding import Finder

_WORDS = "bm25"


def configure_mine(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift train mine`."""
    parser.epilog = (
        "A first stage finds unlabelled answers too. Without a teacher its first 9 ranks are passed over; with one,\n"
        "what it scores nearly as high as the known answer is left out, and its scores of all the rest are written."
    )
    _add_files(parser)
    parser.add_argument("--corpus", metavar="FILE", type=Path, nargs="+", help="documents (default: those of DATA)")
    parser.add_argument("--encoder", metavar="SPEC",
                        help="find by vectors, not by words: resift, sentence-transformers:NAME ...")  # fmt: skip
    parser.add_argument("--count", metavar="N", type=positive, default=15, help="negatives to add (default: 15)")
    parser.add_argument(
        "--ranks", metavar="A-B", type=_ranks, help="to look at (default: 10-200, with a teacher 1-200)"
    )
    parser.add_argument("--pick", choices=["top", "random"], default="top", help="of these ranks (default: top)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random pick (default: 0)")
    group = _add_teacher(parser, required=False)
    group.add_argument("--share", metavar="X", type=float,
                       help="left out: above this share of the answer's sigmoid (default: 0.95)")  # fmt: skip
    group.add_argument("--margin", metavar="X", type=float, help="left out: above the answer's raw score less this")


def configure_distill(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift train distill`."""
    _add_files(parser)
    _add_teacher(parser, required=True)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add what is learned from."""
    parser.add_argument("data", nargs="*", metavar="DATA", help=".jsonl files, or what resift eval reads")
    group = parser.add_argument_group("in place of DATA, or beside it")
    group.add_argument("--queries", metavar="FILE", type=Path, help=".jsonl, or id and text; with --documents --qrels")
    group.add_argument("--documents", metavar="FILE", type=Path, nargs="+", default=[], help="their texts")
    group.add_argument("--qrels", metavar="FILE", type=Path, help="judgements, as TREC or BEIR have them")
    group.add_argument("--run", metavar="FILE", type=Path, help="rankings: unjudged documents in them are negatives")


def given_data(args: argparse.Namespace) -> list[str | Example]:
    """Return the sources that the options of `add_data` name."""
    if args.queries is None:
        if not args.data or args.documents or args.qrels is not None or args.run is not None:
            raise InputError("name DATA, or its files with --queries, --documents and --qrels")
        return list(args.data)
    if not (args.documents and args.qrels):
        raise InputError("--queries goes with --documents and --qrels")
    from resift.training.data import read_files

    judged = read_files(queries=args.queries, corpus=args.documents, qrels=args.qrels, run=args.run)
    return [*args.data, *judged]


def _add_files(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the .jsonl file to write")
    parser.add_argument("--template", help=r"text of a document with fields: 'Title: {title}\n{body}'")


def _add_teacher(parser: argparse.ArgumentParser, *, required: bool) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("teacher")
    group.add_argument("--teacher", metavar="MODEL", required=required, help="a folder, a hub id, or embedded")
    add_running_options(group)
    return group


def run_mine(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Write the data with more negatives."""
    from resift.training.examples import Findings
    from resift.training.mining import Mining, mine
    from resift.training.writing import write_made

    mining = Mining(args.count, args.ranks, args.pick, args.share, args.margin, args.seed)
    mining.check(taught=args.teacher is not None)
    _check_free(args.output)
    examples = _read(args)
    texts = _corpus(args.corpus, examples)
    stage = _WORDS if args.encoder is None else args.encoder
    output.note(f"{len(examples)} queries, {len(texts)} documents to find negatives among ({stage})")
    finder = _finder(texts, args.encoder)
    findings = Findings()
    teacher = open_reranker(_opened(args)) if args.teacher is not None else None
    made_by = {**asdict(mining), "teacher": args.teacher, "first stage": stage, "documents": len(texts)}
    with output.progress(len(examples), label="Mining", unit="query") as show:
        kept = write_made(
            args.output,
            examples,
            lambda start: mine(examples, texts, finder, mining=mining, teacher=teacher, findings=findings, start=start),
            made_by=made_by,
            tell=lambda done, _: show(done),
        )
    _tell(args.output, findings, len(examples), kept)
    return 0


def run_distill(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Write the data with a teacher's scores."""
    from resift.training.examples import Findings
    from resift.training.mining import distill
    from resift.training.writing import write_made

    _check_free(args.output)
    examples = _read(args)
    teacher = open_reranker(_opened(args))
    with output.progress(len(examples), label="Scoring", unit="query") as show:
        kept = write_made(
            args.output,
            examples,
            lambda start: distill(examples[start:], teacher),
            made_by={"teacher": args.teacher, "max_length": args.max_length, "precision": args.precision},
            tell=lambda done, _: show(done),
        )
    _tell(args.output, Findings(), len(examples), kept)
    return 0


def _read(args: argparse.Namespace) -> list[Example]:
    from resift.training.data import read_all

    examples, findings = read_all(given_data(args), template=read_template(args))
    for line in findings.lines():
        output.note(output.printable(f"data: {line}"))
    if not examples:
        raise InputError("no line can be used")
    return examples


def _corpus(files: list[Path] | None, examples: list[Example]) -> list[str]:
    from resift.evaluation.folders import read_documents
    from resift.training.examples import texts_of

    return list(texts_of(examples)) if files is None else list(read_documents(files).values())


def _finder(texts: list[str], encoder: str | None) -> Finder:
    from resift.training.finding import VectorFinder, WordFinder

    if encoder is None:
        return WordFinder(texts)
    from resift.retrieval.encoders import as_encoder

    return VectorFinder(texts, as_encoder(encoder))


def _opened(args: argparse.Namespace) -> argparse.Namespace:
    """Return the options of the teacher as those of a reranker."""
    return argparse.Namespace(**{**DEFAULTS, **vars(args), "model": args.teacher, "template": None})


def _check_free(file: Path) -> None:
    if file.exists():  # now, not when all is scored
        raise InputError(f"{file} exists already", hint="name another file, or remove it first")
    if not file.resolve().parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}")


def _tell(file: Path, findings: Findings, count: int, kept: int) -> None:
    for line in findings.lines():
        output.note(output.printable(line))
    output.note(f"{count} lines written" + (f", {kept} of them kept from before" if kept else ""))
    output.write(str(file))


def _ranks(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash or not first.strip().isdigit() or not last.strip().isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not like 10-200")
    return int(first), int(last)

"""Write a small, fast copy of a model and prove it on pairs: int8 weights, scores compared with full precision.

  resift quantize BAAI/bge-reranker-v2-m3 -o reranker-int8 --verify pairs.jsonl
  resift quantize BAAI/bge-reranker-v2-m3 -o reranker-zh-en --languages zh,en
  resift rank --model reranker-int8 QUERY DOCUMENT ...

A line of PAIRS is {"query": ..., "document": ..., "label": ...} or {"query": ..., "documents": [...], "labels": [...]};
labels (0 for irrelevant, more for better) may be left out. Without --verify built-in texts in 15 languages are used.

What loses more than the tolerance is kept in higher precision until the scores hold; if they never do, nothing is
written and the exit code is 1. The comparison is kept in the folder (quantization.json; see: resift models FOLDER).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from resift.cli import output
from resift.cli.options import Opener, positive
from resift.cli.reading import BadLines, choose_format, read_rows
from resift.documents.tables import Row
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.quantize import JudgedPair, Report
    from resift.quantize.run import Tell
    from resift.types import Document


_FEW = 40
_HIGHEST = 30
"""The highest label: nDCG's gain is a power of two."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift quantize`."""
    parser.add_argument("model", metavar="MODEL", help="a folder or a hub id")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True, help="the folder to write")
    parser.add_argument("--precision", choices=["int8", "bf16"], default="int8", help="of the weights (default: int8)")
    parser.add_argument(
        "--embeddings", choices=["int8", "int4"], help="of the word embeddings (default: int4 if they are large)"
    )
    parser.add_argument("--revision", metavar="REV", help="commit, tag or branch of a hub model")
    parser.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    parser.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: the cores we may use)")
    parser.add_argument("--backend", metavar="NAME", help="what scores: native (default) or reference, which is slow")
    words = parser.add_argument_group("vocabulary")
    words.add_argument("--languages", metavar="CODES", help="keep only the tokens of these languages: zh,en")
    words.add_argument("--vocabulary-from", metavar="FILE", type=Path, help="keep the tokens of this text file too")
    check = parser.add_argument_group("verification")
    check.add_argument("--verify", metavar="PAIRS", help="your pairs: .jsonl, .csv or .tsv, - is standard input")
    check.add_argument("--min-spearman", metavar="X", type=float, default=0.98, help="of all scores (default: 0.98)")
    check.add_argument("--min-overlap", metavar="X", type=float, default=0.95, help="of the top 10 (default: 0.95)")
    check.add_argument("--max-change", metavar="X", type=float, help="of a raw score (default: any)")
    check.add_argument("--max-ndcg-drop", metavar="X", type=float, default=0.01, help="with labels (default: 0.01)")
    check.add_argument("--force", action="store_true", help="write the folder even when it loses more")
    parser.add_argument("--json", action="store_true", help="the report as JSON in place of the folder's name")


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - it opens two models, in turn
    """Quantise, verify, and write the folder."""
    from resift.quantize import Options, Tolerance, quantize

    pairs = _read_pairs(args.verify) if args.verify is not None else None
    options = Options(
        precision=args.precision,
        embeddings=args.embeddings,
        languages=_languages(args.languages),
        vocabulary_texts=_lines(args.vocabulary_from),
        tolerance=Tolerance(args.min_spearman, args.min_overlap, args.max_change, args.max_ndcg_drop),
        force=args.force,
        backend=args.backend,
        threads=args.threads,
    )
    with _steps() as tell:
        report = quantize(
            args.model,
            args.output,
            options=options,
            pairs=pairs,
            revision=args.revision,
            cache_dir=args.cache_dir,
            tell=tell,
        )
    _describe(report, args.output)
    if args.json:
        output.write_json(report.to_dict(), indent=2)
    else:
        output.write(str(args.output))
    return 0


def _describe(report: Report, folder: Path) -> None:
    from resift.quantize.report import summary, worst_line

    for attempt in report.attempts:
        held = "beyond the tolerance" if attempt.failures else "within the tolerance"
        output.note(f"{attempt.what}: {summary(attempt.comparison)}: {held}")
    if report.comparison.pairs < _FEW:
        output.note(f"hint: {report.comparison.pairs} pairs say little; verify on a few hundred")
    if report.worst_linears:
        output.note(f"int8 loses most in {worst_line(report.worst_linears)}")
    cut = "" if report.vocabulary == report.original_vocabulary else f", {report.vocabulary} tokens"
    output.note(f"{report.precision}{cut}, {output.size(report.bytes)}")
    if not report.passed:
        output.note("warning: written although it failed, as --force asks")
    output.note(f"use it: resift rank --model {folder} QUERY DOCUMENT ..., or resift serve {folder}")


def _read_pairs(source: str) -> list[JudgedPair]:
    kind = choose_format(source, None, stdin="jsonl")
    if kind == "txt":
        raise InputError("a pair is two texts: .txt has only one on a line", hint="give .jsonl, .csv or .tsv")
    bad = BadLines(source)
    pairs: list[JudgedPair] = []
    for row in read_rows(source, kind, bad=bad):
        found = _pairs(row)
        if isinstance(found, str):
            bad.report(row.line, found)
        else:
            pairs += found
    return pairs


def _pairs(row: Row) -> list[JudgedPair] | str:
    """Return the pairs of a line, or what is wrong with it."""
    from resift.quantize import JudgedPair

    value = row.value
    if not isinstance(value, dict) or not isinstance(value.get("query"), str):
        return 'expected {"query": ..., "document": ..., "label": ...}'
    if "documents" in value:
        documents, labels = value["documents"], value.get("labels")
        if not isinstance(documents, list) or not (labels is None or isinstance(labels, list)):
            return "documents and labels are lists"
        if labels is not None and len(labels) != len(documents):
            return f"{len(documents)} documents and {len(labels)} labels"
        labels = labels if labels is not None else [None] * len(documents)
    else:
        documents, labels = [value.get("document")], [value.get("label")]
    pairs = []
    for document, label in zip(documents, labels, strict=True):
        if not isinstance(document, str | dict):
            return "a document is neither a text nor an object with fields"
        grade = _grade(label)
        if isinstance(grade, str):
            return grade
        pairs.append(JudgedPair(value["query"], cast("Document", document), grade))
    return pairs


def _grade(label: object) -> float | str | None:
    """Return a label as a number, None for none, or what is wrong with it."""
    if label is None or label == "":
        return None
    try:
        grade = float(cast("str", label))
    except (TypeError, ValueError):
        return f"the label {label!r} is not a number"
    return grade if 0 <= grade <= _HIGHEST else f"the label {label!r} is not from 0 to {_HIGHEST}"


def _languages(codes: str | None) -> list[str] | None:
    return None if codes is None else [code.strip().lower() for code in codes.split(",") if code.strip()]


def _lines(file: Path | None) -> list[str] | None:
    if file is None:
        return None
    return [str(row.value) for row in read_rows(str(file), "txt", bad=BadLines(str(file)))]


@contextmanager
def _steps() -> Iterator[Tell]:
    """Yield what shows progress: a bar for each step on a terminal, else a line."""
    from tqdm import tqdm

    shown = ""
    bar: tqdm[None] | None = None

    def tell(what: str, done: int, total: int) -> None:
        nonlocal shown, bar
        if what != shown:
            shown = what
            if bar is not None:
                bar.close()
                bar = None
            if output.wants_progress():
                bar = tqdm(total=total, desc=what, leave=False)
            else:
                output.note(what)
        if bar is not None:
            bar.update(done - bar.n)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()

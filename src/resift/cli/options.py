"""Options that several commands share, and the reranker and windows that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from resift.cli import output
from resift.errors import InputError, TemplateError

if TYPE_CHECKING:
    from resift.reranker import Reranker
    from resift.text.template import Template
    from resift.types import Document, Windows

Opener: TypeAlias = Callable[[argparse.Namespace], "Reranker"]
"""Makes a reranker from the options that `add_model_options` adds."""

ALL_FREE = 0
"""`--windows` without a size: all the tokens that the query leaves free."""


DEFAULTS: dict[str, object] = {
    "windows": None,
    "overlap": None,
    "aggregate": None,
    "template": None,
    "truncation": "flag",
    "scores": "raw",
    "calibration": None,
    "group": None,
}
"""What `add_text_options` would set, for the commands whose texts are fixed."""


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add which model runs, where and how."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="MODEL", help="a folder or a hub id (default: the built-in model)")
    add_running_options(group)


def add_running_options(group: argparse._ArgumentGroup) -> None:
    """Add where a model comes from and how it runs, whatever the option that names it."""
    group.add_argument("--revision", metavar="REV", help="commit, tag or branch of a hub model")
    group.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    group.add_argument("--device", metavar="DEVICE", help="cpu (default)")
    group.add_argument("--backend", metavar="NAME", help="native (default) or reference, which is slow")
    group.add_argument("--precision", choices=["fp32", "bf16", "fp16", "int8"], help="number format of the weights")
    group.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: the cores we may use)")
    group.add_argument("--max-length", metavar="TOKENS", type=positive, help="longest query and document together")
    group.add_argument("--max-batch-tokens", metavar="TOKENS", type=positive, help="tokens at once: bounds memory")


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Add how documents with fields and long documents become text, and what a score is."""
    group = add_document_options(parser)
    group.add_argument(
        "--scores",
        choices=["raw", "sigmoid", "calibrated"],
        default="raw",
        help="logits (default), 0 to 1, or the probabilities of --calibration",
    )
    group.add_argument(
        "--calibration", metavar="FILE", help="what `resift calibrate` wrote, or auto for the file beside the model"
    )
    group.add_argument("--group", metavar="NAME", help="the group whose calibration is used, such as a language")


def add_document_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add how documents with fields and long documents become text; returns the group for more."""
    group = parser.add_argument_group("documents and scores")
    group.add_argument("--skip-bad", action="store_true", help="leave out lines that cannot be used, and count them")
    text = group.add_mutually_exclusive_group()
    text.add_argument("--template", help=r"text of a document with fields: 'Title: {title}\n{body}'")
    text.add_argument("--text-field", metavar="NAME", help="the one field that holds a document's text")
    add_window_options(group)
    return group


def add_window_options(group: argparse._ArgumentGroup) -> None:
    """Add what happens to documents that are longer than the model reads."""
    group.add_argument(
        "--windows",
        metavar="SIZE",
        nargs="?",
        type=_window_size,
        const=ALL_FREE,
        help="read long documents in overlapping windows of SIZE tokens (--windows=SIZE; default: what fits)",
    )
    group.add_argument("--overlap", metavar="TOKENS", type=int, help="tokens that neighbouring windows share")
    group.add_argument("--aggregate", choices=["max", "mean", "top_k_mean"], help="what window scores become")
    group.add_argument(
        "--truncation",
        choices=["flag", "longest_first"],
        default="flag",
        help="what is cut: document or longer",
    )


def text_problem(document: object, text_field: str | None, template: Template | None) -> str | None:
    """Say why a value of the input has no text to score; None when it has one."""
    from resift.text.template import document_text

    if isinstance(document, str):
        return None
    if not isinstance(document, dict):
        return "the document is neither a text nor an object with fields"
    if text_field is not None:
        if isinstance(document.get(text_field), str):
            return None
        return f"the document's field {text_field!r} is missing or not a text; it has: {', '.join(document) or 'none'}"
    try:
        document_text(document, template)
    except TemplateError as error:
        return error.message
    return None


def text_of(document: Document, text_field: str | None) -> Document:
    """Return the field that holds the text where one was named, else the document."""
    return document if text_field is None or isinstance(document, str) else str(document[text_field])


def positive(text: str) -> int:
    """Parse an integer above zero."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _window_size(text: str) -> int:
    try:
        return positive(text)
    except argparse.ArgumentTypeError as error:
        message = f"{error}; before a query or a document write --windows=SIZE or put --windows last"
        raise argparse.ArgumentTypeError(message) from None


def open_reranker(args: argparse.Namespace) -> Reranker:
    """Load the model that the options name, set up as they say."""
    windows = read_windows(args)
    from resift.reranker import Reranker

    return Reranker(
        args.model,
        device=args.device,
        precision=args.precision,
        max_length=args.max_length,
        max_batch_tokens=args.max_batch_tokens,
        truncation=args.truncation,
        windows=windows,
        template=read_template(args),
        scores=args.scores,
        calibration=args.calibration,
        group=args.group,
        backend=args.backend,
        threads=args.threads,
        revision=args.revision,
        cache_dir=args.cache_dir,
        progress=output.wants_progress(),
    )


def read_windows(args: argparse.Namespace) -> Windows | None:
    """Return the windows that the options describe; None when documents are cut at max_length instead."""
    if args.windows is None:
        if args.overlap is not None or args.aggregate is not None:
            raise InputError("--overlap and --aggregate describe windows", hint="add --windows")
        return None
    from resift.types import Windows

    default = Windows()
    return Windows(
        size=None if args.windows == ALL_FREE else args.windows,
        overlap=default.overlap if args.overlap is None else args.overlap,
        aggregate=default.aggregate if args.aggregate is None else args.aggregate,
    )


def parse_template(args: argparse.Namespace) -> Template | None:
    """Return the parsed template; raises TemplateError when it is malformed."""
    source = read_template(args)
    if source is None:
        return None
    from resift.text.template import Template

    return Template(source)


def read_template(args: argparse.Namespace) -> str | None:
    r"""Return the template's text, with the shell's literal `\n`, `\t` and `\\` turned into what they mean."""
    template: str | None = args.template
    if template is None:
        return None
    parts = [part.replace(r"\n", "\n").replace(r"\t", "\t") for part in template.split(r"\\")]
    return "\\".join(parts)

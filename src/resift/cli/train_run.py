"""`resift train run`: training itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.options import Opener, positive, read_template
from resift.cli.train_data import add_data, given_data
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.training import Settings
    from resift.training.trainer import Progress, Tell

_LOSSES = "listwise, pairwise, bce, margin_mse, kl, or a sum: kl+0.2*listwise"


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift train run`."""
    add_data(parser)
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True, help="the folder to write")
    parser.add_argument("--model", metavar="MODEL", help="a folder or a hub id (default: the built-in model)")
    parser.add_argument("--revision", metavar="REV", help="commit, tag or branch of a hub model")
    parser.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    parser.add_argument("--resume", action="store_true", help="go on where the same command was interrupted")
    parser.add_argument("--json", action="store_true", help="the report as JSON in place of the folder's name")
    held = parser.add_argument_group("held-out queries")
    held.add_argument("--dev", metavar="DATA", help="queries that choose the checkpoint (default: a part of --test)")
    held.add_argument("--test", metavar="DATA", help="queries of before and after (default: a part of --dev)")
    held.add_argument("--held-out", metavar="SHARE", type=float, help="without both: this part of DATA (default: 0.1)")
    held.add_argument("--dev-queries", metavar="N", type=positive, help="at most (default: 200)")
    held.add_argument("--test-queries", metavar="N", type=positive, help="at most (default: 1000)")
    held.add_argument("--depth", metavar="N", type=positive, help="candidates of a query, at most (default: 50)")
    held.add_argument("--leaks", choices=["refuse", "drop", "keep"], help="held-out queries in DATA (default: refuse)")
    _add_learning(parser.add_argument_group("learning"))
    _add_machine(parser.add_argument_group("model and machine"))


def _add_learning(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--loss", metavar="LOSS", help=f"{_LOSSES} (default: listwise)")
    group.add_argument("--temperature", metavar="T", type=float, help="of listwise and kl (default: 1)")
    group.add_argument("--epochs", metavar="N", type=float, help="times that every query is seen (default: 1)")
    group.add_argument("--max-steps", metavar="N", type=positive, help="steps, at most")
    group.add_argument("--group-size", metavar="N", type=positive, help="documents of a query in a step (default: 8)")
    group.add_argument("--batch-size", metavar="N", type=positive, help="queries at once on a device (default: 16)")
    group.add_argument("--accumulate", metavar="N", type=positive, help="batches in a step (default: 1)")
    group.add_argument("--learning-rate", metavar="X", type=float, help="default: by the model's size, 2e-5 to 3e-4")
    group.add_argument("--warmup", metavar="SHARE", type=float, help="of the steps (default: 0.1)")
    group.add_argument("--weight-decay", metavar="X", type=float, help="default: 0.01")
    group.add_argument("--evaluations", metavar="N", type=positive, help="on the way, each a checkpoint (default: 10)")
    group.add_argument("--patience", metavar="N", type=int, help="evaluations without gain; 0: never stop (default: 3)")
    group.add_argument("--seed", metavar="N", type=int, help="of all that is drawn (default: 0)")


def _add_machine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--precision", choices=["fp32", "bf16"], help="of products (default: bf16 on a GPU, else fp32)")
    group.add_argument("--lora", metavar="RANK", type=positive, help="train low-rank updates, merged at the end")
    group.add_argument("--freeze-embeddings", action="store_true", default=None, help="leave the token tables as is")
    group.add_argument(
        "--checkpoint-activations", action="store_true", default=None, help="less memory for a third more time"
    )
    group.add_argument("--max-length", metavar="TOKENS", type=positive, help="longest query and document together")
    group.add_argument("--query-max-length", metavar="TOKENS", type=positive, help="longest query (default: 3/4)")
    group.add_argument("--truncation", choices=["flag", "longest_first"], help="what is cut: document or longer")
    group.add_argument("--max-batch-tokens", metavar="TOKENS", type=positive, help="tokens at once: bounds memory")
    group.add_argument("--device", metavar="DEVICE", help="cpu, although there is a GPU")
    group.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: all cores)")
    group.add_argument("--template", help=r"text of a document with fields: 'Title: {title}\n{body}'")


def run_run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - it opens two models, in turn
    """Train, write the folder and say what that did."""
    from resift.training import describe, train

    with _shown() as tell:
        try:
            report = train(
                given_data(args),
                args.output,
                model=args.model,
                dev=args.dev,
                test=args.test,
                settings=_settings(args),
                template=read_template(args),
                revision=args.revision,
                cache_dir=args.cache_dir,
                resume=args.resume,
                tell=tell,
                note=lambda line: output.note(output.printable(line)),
            )
        except KeyboardInterrupt:
            output.note(f"hint: --resume goes on from the last checkpoint in {args.output}.training")
            raise
    if report is None:  # not the first process of several
        return 0
    for line in describe(report):
        output.note(output.printable(line))
    output.note(f"use it: resift rank --model {args.output} QUERY DOCUMENT ..., or resift serve {args.output}")
    if args.json:
        output.write_json(report, indent=1)
    else:
        output.write(str(args.output))
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    """Return the defaults with what was given."""
    from resift.training import Settings

    given = {one.name: getattr(args, one.name) for one in fields(Settings) if getattr(args, one.name, None) is not None}
    patience = given.get("patience")
    if patience is not None and patience < 0:
        raise InputError(f"--patience is {patience}, expected 0 or more")
    settings = replace(Settings(), **{name: value for name, value in given.items() if name != "patience"})
    return settings if patience is None else replace(settings, patience=patience or None)


@contextmanager
def _shown() -> Iterator[Tell]:
    """Yield what shows progress: a bar with loss and nDCG on a terminal, else a line now and then."""
    from tqdm import tqdm

    bar: tqdm[None] | None = None
    shown = ""
    tenth = -1

    def tell(progress: Progress) -> None:
        nonlocal bar, shown, tenth
        if progress.what != shown:
            shown, tenth = progress.what, -1
            if bar is not None:
                bar.close()
            bar = tqdm(total=progress.total, desc=shown, leave=False) if output.wants_progress() else None
        figures = {"loss": progress.loss, "nDCG@10": progress.ndcg}
        known = {name: f"{value:.4f}" for name, value in figures.items() if value is not None}
        if bar is not None:
            bar.set_postfix(known, refresh=False)
            bar.update(progress.done - bar.n)
        elif progress.total and progress.done * 10 // progress.total != tenth:
            tenth = progress.done * 10 // progress.total
            described = ", ".join(f"{name} {value}" for name, value in known.items())
            output.note(f"{shown}: {progress.done} of {progress.total}{', ' + described if described else ''}")

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()

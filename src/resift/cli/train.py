"""Fine-tune a reranker on data of your own, and see on held-out queries whether that helped.

  resift train mine clicks.jsonl --corpus documents.jsonl -o mined.jsonl      negatives that a search finds
  resift train distill mined.jsonl --teacher BAAI/bge-reranker-v2-m3 -o scored.jsonl
  resift train mined.jsonl -o my-reranker                                     the built-in model
  resift train mined.jsonl --model BAAI/bge-reranker-v2-m3 --lora 16 -o my-reranker
  torchrun --nproc-per-node 4 -m resift.cli train mined.jsonl --model ... -o my-reranker

A line of data is {"query": ..., "pos": [...], "neg": [...]}; what `resift eval` reads does too. `resift train DATA` is
`resift train run DATA`, whose --help has all its options. The guide is docs/guides/fine-tuning.md.
"""

from __future__ import annotations

import argparse
import importlib

from resift.cli.options import Opener

_COMMANDS = {
    "run": ("train_run", "train, and compare before with after (what resift train DATA does)"),
    "mine": ("train_data", "add hard negatives that a first stage finds"),
    "distill": ("train_data", "add a teacher's scores, for the losses kl and margin_mse"),
}
"""Each has `configure_NAME(parser)` and `run_NAME(args, open_reranker)` in its module."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `resift train`."""
    parser.set_defaults(default_command="run")
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
    for name, (module, text) in _COMMANDS.items():
        one = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        getattr(importlib.import_module(f"resift.cli.{module}"), f"configure_{name}")(one)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Run one command of `resift train`."""
    module = importlib.import_module(f"resift.cli.{_COMMANDS[args.what][0]}")
    code: int = getattr(module, f"run_{args.what}")(args, open_reranker)
    return code

"""Test online whether reranking helps.

  resift ab assign --experiment reranker-june u17 u18                which arm a user gets
  resift ab plan --baseline 0.12 --lift 0.05 --users-per-day 4000    how many users, how many days
  resift ab analyze --exposures exposures.jsonl --clicks clicks.jsonl --orders orders.csv --html report.html
  resift ab interleave --analyze clicks.jsonl                        which of two rankings users prefer
  resift ab simulate --out logs --gain 0.4                           logs of users who do not exist, for practice

The guide, docs/guides/ab-test.md, says which lines to log and how long to run.
"""

from __future__ import annotations

import argparse
import importlib

from resift.cli.options import Opener

_COMMANDS = {
    "assign": ("ab_lists", "give users their arms, always the same ones"),
    "plan": ("ab_plan", "how many users and days a lift needs"),
    "analyze": ("ab_analyze", "what the logs say: lifts, intervals, guardrails, a verdict"),
    "interleave": ("ab_lists", "make one list of two rankings, or analyse the clicks on such lists"),
    "simulate": ("ab_lists", "write logs of simulated users"),
}
"""Each has `configure_NAME(parser)` and `run_NAME(args)` in its module."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `resift ab`."""
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
    for name, (module, text) in _COMMANDS.items():
        one = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        getattr(importlib.import_module(f"resift.cli.{module}"), f"configure_{name}")(one)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001
    """Run one command of `resift ab`."""
    module = importlib.import_module(f"resift.cli.{_COMMANDS[args.what][0]}")
    code: int = getattr(module, f"run_{args.what}")(args)
    return code

"""Options that the commands of `resift ab` share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_log_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the files of the logs and what their columns are called."""
    logs = parser.add_argument_group("logs", ".jsonl, .csv, .tsv (each .gz too) or .parquet")
    logs.add_argument("--exposures", nargs="+", type=Path, metavar="FILE", required=required, default=[],
                      help="user, arm [time, impression, results, numbers of your own]")  # fmt: skip
    logs.add_argument("--clicks", nargs="+", type=Path, metavar="FILE", default=[],
                      help="user [time, impression, position]")  # fmt: skip
    logs.add_argument("--orders", nargs="+", type=Path, metavar="FILE", default=[], help="user [time, order, revenue]")
    logs.add_argument("--arms", nargs="+", type=weighted, metavar="ARM[=WEIGHT]",
                      help="the arms and the shares that were meant (default: those of the log, equal)")  # fmt: skip
    logs.add_argument("--control", metavar="ARM", help="default: the arm called control, or the first")
    logs.add_argument("--window", type=amount, metavar="DAYS", help="count each user's first DAYS only")
    logs.add_argument("--bot-cap", type=amount, metavar="N",
                      help="leave out users with more exposures and clicks than N on a day")  # fmt: skip
    add_reading_options(logs)


def add_reading_options(group: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add how lines are read."""
    group.add_argument("--columns", nargs="+", type=renamed, metavar="NAME=YOURS", default=[],
                       help="your names of the columns: user=uid arm=variant")  # fmt: skip
    group.add_argument("--skip-bad", action="store_true", help="leave out lines that cannot be used, and count them")


def weights(given: list[tuple[str, float]] | None) -> dict[str, float] | None:
    """Return the arms that were named; a name that comes twice is an error of argparse's kind."""
    return None if given is None else dict(given)


def weighted(text: str) -> tuple[str, float]:
    """Parse ARM or ARM=WEIGHT."""
    name, equals, weight = text.partition("=")
    return name, amount(weight) if equals else 1.0


def renamed(text: str) -> tuple[str, str]:
    """Parse NAME=YOURS."""
    name, equals, yours = text.partition("=")
    if not (name and equals and yours):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=YOURS, such as user=uid")
    return name, yours


def margin(text: str) -> tuple[str, float]:
    """Parse METRIC=MARGIN, a part (0.02) or a percentage (2%)."""
    name, equals, value = text.rpartition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: expected METRIC=MARGIN, such as zero_results=2%")
    return name, part(value)


def part(text: str) -> float:
    """Parse 0.05 or 5%."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a part such as 0.05 nor a percentage such as 5%"
        ) from None


def amount(text: str) -> float:
    """Parse a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number

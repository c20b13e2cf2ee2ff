"""`resift ab assign`, `interleave` and `simulate`: lists of users, of documents, and of what simulated users did."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resift.cli import output
from resift.cli.ab_options import add_reading_options, part, weighted, weights
from resift.cli.options import positive
from resift.cli.reading import STDIN, BadLines, choose_format, read_rows
from resift.errors import InputError


def configure_assign(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift ab assign`."""
    parser.epilog = "In a program: resift.experiments.Experiment(name, arms).arm(user), which is the same."
    parser.add_argument("users", nargs="*", metavar="USER", help="ids (default: lines of standard input)")
    parser.add_argument("--experiment", metavar="NAME", required=True, help="another name is another draw")
    parser.add_argument("--arms", nargs="+", type=weighted, metavar="ARM[=WEIGHT]",
                        default=[("control", 1.0), ("treatment", 1.0)])  # fmt: skip
    parser.add_argument("--share", type=part, default=1.0, help="the part of users who take part (default: 100%%)")
    parser.add_argument("--json", action="store_true", help="an object for each user in place of tabs")


def run_assign(args: argparse.Namespace) -> int:
    """Write each user's arm."""
    from resift.experiments.assignment import Experiment

    if len(dict(args.arms)) < len(args.arms):
        raise InputError(f"an arm is named twice: {', '.join(name for name, _ in args.arms)}")
    experiment = Experiment(args.experiment, weights(args.arms) or {}, share=args.share)
    counts: Counter[str] = Counter()
    for user in args.users or filter(None, (line.rstrip("\r\n") for line in sys.stdin)):
        arm = experiment.arm(user)
        counts[arm or "(not in it)"] += 1
        if args.json:
            output.write_json({"user": user, "arm": arm})
        else:
            output.write(f"{output.printable(user)}\t{arm or ''}")
    output.note(", ".join(f"{name} {number}" for name, number in sorted(counts.items())))
    return 0


def configure_interleave(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift ab interleave`."""
    parser.epilog = (
        'a line of FILE: {"user": "u1", "query": "tea", "a": ["d3", "d1"], "b": ["d1", "d7"]}; the answer has\n'
        '"documents" and "teams". Log the team with each click, {"user": "u1", "team": "b"}: that log is for --analyze.'
    )
    parser.add_argument("file", nargs="?", metavar="FILE", default=STDIN, help="pairs of rankings, .jsonl (default: -)")
    parser.add_argument(
        "--experiment", metavar="NAME", default="interleaving", help="seeds the coins, with user and query"
    )
    parser.add_argument("--top-k", type=positive, metavar="N", help="documents to show (default: all)")
    clicks = parser.add_argument_group("analysis")
    clicks.add_argument("--analyze", nargs="+", type=Path, metavar="FILE", help="logs of clicks: user, team")
    clicks.add_argument("--alpha", type=part, default=0.05, help="probability of a false alarm (default: 0.05)")
    clicks.add_argument("--json", action="store_true", help="one JSON object in place of the text")
    add_reading_options(clicks)


def run_interleave(args: argparse.Namespace) -> int:
    """Interleave rankings, or analyse clicks."""
    if args.analyze:
        return _preference(args)
    from resift.experiments.interleaving import team_draft

    bad = BadLines(args.file, skip=args.skip_bad)
    for row in read_rows(args.file, choose_format(args.file, None, stdin="jsonl"), bad=bad):
        value = row.value
        if not isinstance(value, dict) or not all(_ids(value.get(team)) for team in "ab") or "user" not in value:
            bad.report(row.line, "expected 'user', 'query', and the lists of ids 'a' and 'b'")
            continue
        key = (args.experiment, str(value["user"]), str(value.get("query", "")))
        try:
            shown = team_draft(value["a"], value["b"], key=key, top_k=args.top_k)
        except InputError as error:
            bad.report(row.line, error.message)
            continue
        rest = {name: one for name, one in value.items() if name not in ("a", "b")}
        output.write_json({**rest, "documents": shown.documents, "teams": shown.teams})
    return 0


def _ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _preference(args: argparse.Namespace) -> int:
    from resift.experiments.preference import analyse_choices, read_choices
    from resift.experiments.tables import as_text

    choices, left_out = read_choices(args.analyze, columns=dict(args.columns), skip_bad=args.skip_bad)
    report = analyse_choices(choices, alpha=args.alpha, left_out=left_out)
    if args.json:
        output.write_json(report, indent=1)
    else:
        output.write(as_text(report))
    return 0


def configure_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift ab simulate`."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="where the logs are written")
    parser.add_argument("--users", type=positive, default=12_000, metavar="N", help="default: 12000")
    parser.add_argument("--days", type=positive, default=14, metavar="N", help="default: 14")
    parser.add_argument("--gain", type=part, default=0.365, metavar="PART",
                        help="how near the treatment is to the best order; 0: A/A (default: 0.365)")  # fmt: skip
    parser.add_argument(
        "--before-days", type=int, default=0, metavar="N", help="days of logs before the test, for CUPED"
    )
    parser.add_argument("--model", choices=["position", "cascade"], default="position", help="how users click")
    parser.add_argument("--noise", type=part, default=0.1, metavar="PART", help="clicks that relevance does not decide")
    parser.add_argument("--interleaving", action="store_true", help="clicks on interleaved lists instead")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def run_simulate(args: argparse.Namespace) -> int:
    """Write the logs of simulated users."""
    from resift.experiments.simulation import ClickModel, World, simulate, simulate_interleaving

    world = World(
        users=args.users, days=args.days, gain=args.gain, buys=0.27, before_days=max(0, args.before_days),
        model=ClickModel(args.model, noise=args.noise),
    )  # fmt: skip
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        if args.interleaving:
            _write(args.out / "clicks.jsonl", simulate_interleaving(world, seed=args.seed))
            return 0
        happened, before = simulate(world, seed=args.seed)
        for prefix, one in (("", happened), ("before-", before)):
            if one is not None:
                _write(args.out / f"{prefix}exposures.jsonl", one.exposures())
                _write(args.out / f"{prefix}clicks.jsonl", one.clicks())
                _write(args.out / f"{prefix}orders.jsonl", one.orders())
    except OSError as error:
        raise InputError(f"{args.out}: {error.strerror or error}") from error
    return 0


def _write(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    number = 0
    with file.open("w", encoding="utf-8") as opened:
        for row in rows:
            opened.write(json.dumps(row) + "\n")
            number += 1
    output.write(str(file))
    output.note(f"{number} lines of synthetic data")

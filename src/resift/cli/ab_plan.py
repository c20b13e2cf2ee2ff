"""`resift ab plan`: how many users and days."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.ab_analyze import read
from resift.cli.ab_options import add_log_options, amount, part, weights
from resift.cli.options import positive
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.experiments import Goal

_WIN_RATES = (0.51, 0.52, 0.53, 0.55, 0.6)


def configure_plan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift ab plan`."""
    parser.epilog = (
        "  resift ab plan --baseline 12% --lift 5% --users-per-day 4000             a share of users\n"
        "  resift ab plan --baseline 3.20 --deviation 14 --lift 5%                  a mean: revenue for each user\n"
        "  resift ab plan --exposures old.jsonl --clicks clicks.jsonl --metric ctr --lift 5%\n"
        "                                                                                both from a log\n"
        "  resift ab plan --interleaving --decided-share 0.4                        interleaving"
    )
    parser.add_argument("--baseline", type=part, help="the metric now: 0.12, 12%% or a mean")
    parser.add_argument("--deviation", type=amount, help="standard deviation of a user's value, if it is no share")
    parser.add_argument("--lift", type=part, help="the smallest change worth finding: 5%%")
    parser.add_argument("--metric", metavar="NAME", help="take baseline, deviation and users a day from a log")
    parser.add_argument("--users-per-day", type=amount, metavar="N", help="new users of all arms")
    parser.add_argument("--share", type=part, default=1.0, help="the part of them that takes part (default: 100%%)")
    parser.add_argument("--ratio", type=amount, default=1.0, help="treatment users for each control user (default: 1)")
    parser.add_argument("--alpha", type=part, default=0.05, help="probability of a false alarm (default: 0.05)")
    parser.add_argument("--power", type=part, default=0.8, help="probability to find the lift (default: 0.8)")
    parser.add_argument("--comparisons", type=positive, default=1, help="metrics times arms that are tested together")
    parser.add_argument("--interleaving", action="store_true", help="users that a preference needs")
    parser.add_argument("--decided-share", type=part, default=1.0, metavar="SHARE",
                        help="the part of users who click one ranking more than the other")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the text")
    add_log_options(parser, required=False)


def run_plan(args: argparse.Namespace) -> int:
    """Plan and show the plan."""
    if args.interleaving:
        _interleaving(args)
        return 0
    from resift.experiments.planning import make_plan

    goal, users_per_day = _goal(args)
    plan = make_plan(goal, users_per_day=users_per_day, share=args.share)
    if args.json:
        output.write_json(plan, indent=1)
    else:
        for line in _lines(plan):
            output.write(line)
    return 0


def _goal(args: argparse.Namespace) -> tuple[Goal, float | None]:
    from resift.experiments.planning import Goal, baseline_of

    if args.lift is None:
        raise InputError("which lift is worth finding?", hint="--lift 5%")
    baseline, deviation, users_per_day = args.baseline, args.deviation, args.users_per_day
    if args.metric is not None:
        from resift.experiments.metrics import find_metric, own_columns
        from resift.experiments.table import make_table

        if not args.exposures:
            raise InputError("--metric takes the baseline from a log", hint="add --exposures, and --clicks or --orders")
        metric = find_metric(args.metric)
        logs = read(args, own_columns([args.metric]))
        only = sorted({arm for arms in logs.arms for arm in arms})
        arms = weights(args.arms) or ({only[0]: 1.0, f"not {only[0]}": 1.0} if len(only) == 1 else None)
        table = make_table(logs, arms=arms, control=args.control, window=args.window, bot_cap=args.bot_cap)
        sample = baseline_of(table, metric)
        baseline = sample.mean if baseline is None else baseline
        deviation = math.sqrt(sample.variance) if deviation is None else deviation
        days = table.days()
        if users_per_day is None and days:
            users_per_day = len(table.ids) / max(1.0, (days[-1] - float(table.first.min())) / 86_400)
    if baseline is None:
        raise InputError("what is the metric now?", hint="--baseline 12%, or --metric ctr with a log")
    goal = Goal(
        baseline=baseline, lift=args.lift, deviation=deviation, alpha=args.alpha, power=args.power, ratio=args.ratio,
        comparisons=args.comparisons,
    )  # fmt: skip
    return goal, users_per_day


def _lines(plan: dict[str, Any]) -> list[str]:
    from resift.experiments.tables import aligned
    from resift.experiments.wording import count, percent

    goal = plan["goal"]
    spread = "" if goal["deviation"] is None else f", standard deviation {goal['deviation']:.4g}"
    lines = [
        f"To find a lift of {percent(goal['lift'])} of {goal['baseline']:.4g}{spread} with "
        f"{100 * goal['power']:g}% power at alpha {goal['alpha']:g}:",
        "",
    ]
    head = ["", "control", "treatment", "users"]
    rows = []
    for looks, text in (("once", "one look, at the end"), ("any", "any number of looks")):
        one = plan[looks]
        row = [text, count(one["control"]), count(one["treatment"]), count(one["users"])]
        rows.append([*row, f"{one['days']:.1f}", f"{one['whole_weeks']:d}"] if "days" in one else row)
    lines += aligned([*head, "days", "whole weeks"] if "weeks" in plan else head, rows)
    lines += ["", f"resift ab analyze --planned-users {plan['any']['users']} makes intervals narrowest there; with any "
              "number of looks a larger lift ends the test earlier."]  # fmt: skip
    if "weeks" in plan:
        rows = [
            [str(week["weeks"]), count(week["users"]), *(_visible(week[looks]) for looks in ("once", "any"))]
            for week in plan["weeks"]
        ]
        lines += ["", "What so many weeks show:", *aligned(["weeks", "users", "one look", "any looks"], rows)]
    return lines


def _visible(lift: float | None) -> str:
    from resift.experiments.wording import percent

    return "none" if lift is None else percent(lift)


def _interleaving(args: argparse.Namespace) -> None:
    from resift.experiments.planning import interleaving_plan
    from resift.experiments.tables import aligned
    from resift.experiments.wording import count

    rows = interleaving_plan(_WIN_RATES, decided_share=args.decided_share, alpha=args.alpha, power=args.power)
    if args.json:
        output.write_json({"format": 1, "kind": "interleaving plan", "win_rates": rows}, indent=1)
        return
    table = [[f"{100 * row['win_rate']:g}%", count(row["decided"]), count(row["users"])] for row in rows]
    for line in aligned(["preferred by", "users who decide", "users"], table):
        output.write(line)

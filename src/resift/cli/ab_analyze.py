"""`resift ab analyze`: from logs to a verdict."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.ab_options import add_log_options, amount, margin, part, weights
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.experiments import Logs

_REFUSED = 1


def configure_analyze(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift ab analyze`."""
    parser.epilog = (
        "metrics: ctr, clicking_users, conversion, orders_per_user, revenue_per_user, order_value,\n"
        "reciprocal_position, zero_results, exposures_per_user; high:COLUMN, low:COLUMN: a number in the exposures.\n"
        f"exit code {_REFUSED}: no verdict, because the split of users is wrong or the first metric is not in the logs."
    )
    add_log_options(parser, required=True)
    what = parser.add_argument_group("what is decided; write it down before the test starts")
    what.add_argument("--metric", nargs="+", metavar="NAME", help="the first decides (default: what the logs have)")
    what.add_argument("--guardrail", nargs="+", type=margin, metavar="NAME=LOSS", default=[],
                      help="what may not get worse by more than LOSS: zero_results=2%%")  # fmt: skip
    what.add_argument("--alpha", type=part, default=0.05, help="probability of a false alarm (default: 0.05)")
    what.add_argument("--once", action="store_true",
                      help="decide by intervals for one look, at an end that was fixed in advance")  # fmt: skip
    what.add_argument("--planned-users", type=amount, metavar="N",
                      help="of all arms: where intervals for any looks are narrowest (default: 10000)")  # fmt: skip
    past = parser.add_argument_group(
        "the time before the test, for less variance (CUPED); the same columns without arm"
    )
    past.add_argument("--before-exposures", nargs="+", type=Path, metavar="FILE", default=[])
    past.add_argument("--before-clicks", nargs="+", type=Path, metavar="FILE", default=[])
    past.add_argument("--before-orders", nargs="+", type=Path, metavar="FILE", default=[])
    shown = parser.add_argument_group("report")
    shown.add_argument("--title", default="A/B test")
    shown.add_argument("--json", action="store_true", help="everything as one JSON object in place of the tables")
    shown.add_argument("--html", metavar="FILE", type=Path, help="write a page with plots too")


def run_analyze(args: argparse.Namespace) -> int:
    """Read the logs, analyse them and show the report."""
    from resift.experiments.analysis import Plan, analyse
    from resift.experiments.metrics import find_metric, own_columns
    from resift.experiments.sequential import PLANNED_USERS
    from resift.experiments.table import make_table

    guardrails = dict(args.guardrail)
    metrics = args.metric or _metrics(args)
    for name in [*metrics, *guardrails]:
        find_metric(name)  # before the logs are read
    plan = Plan(
        metrics=metrics,
        guardrails=guardrails,
        alpha=args.alpha,
        looks="once" if args.once else "any",
        planned_users=PLANNED_USERS if args.planned_users is None else args.planned_users,
        title=args.title,
    )
    own = own_columns([*metrics, *guardrails])
    logs = read(args, own)
    table = make_table(
        logs, arms=weights(args.arms), control=args.control, window=args.window, bot_cap=args.bot_cap
    )  # fmt: skip
    report = analyse(logs, plan, before=_before(args, own), table=table)
    if args.html is not None:
        from resift.experiments.page import as_html

        _write(args.html, as_html(report))
    if args.json:
        output.write_json(json.loads(json.dumps(report)), indent=1)
    else:
        from resift.experiments.tables import as_text

        output.write(as_text(report))
    return _REFUSED if report["verdict"]["refused"] else 0


def read(args: argparse.Namespace, own: list[str]) -> Logs:
    """Read the logs that the options name."""
    from resift.experiments.logs import read_logs

    return read_logs(
        args.exposures,
        clicks=args.clicks,
        orders=args.orders,
        own=own,
        arms=None if args.arms is None else list(dict(args.arms)),
        columns=dict(args.columns),
        skip_bad=args.skip_bad,
    )


def _before(args: argparse.Namespace, own: list[str]) -> Logs | None:
    if not (args.before_exposures or args.before_clicks or args.before_orders):
        return None
    from resift.experiments.logs import read_before

    return read_before(
        args.before_exposures,
        clicks=args.before_clicks,
        orders=args.before_orders,
        own=own,
        columns=dict(args.columns),
        skip_bad=args.skip_bad,
    )


def _metrics(args: argparse.Namespace) -> list[str]:
    """Return the default metrics that the given logs can have."""
    metrics = []
    if args.clicks:
        metrics += ["ctr"]
    if args.orders:
        metrics += ["conversion", "revenue_per_user"]
    if args.clicks:
        metrics += ["reciprocal_position"]
    if not metrics:
        raise InputError("exposures alone say nothing about success", hint="add --clicks, --orders or --metric")
    return metrics


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    output.note(f"wrote {file}")

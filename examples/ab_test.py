"""An A/B test from assignment to verdict, on synthetic users: half of them get reranked results."""

import json
from collections.abc import Iterable
from pathlib import Path

from resift.experiments import Experiment, Plan, World, analyse, read_before, read_logs, simulate
from resift.experiments.page import as_html
from resift.experiments.tables import as_text

# In the web handler: the same user gets the same arm, everywhere and always.
experiment = Experiment("reranker-june", {"control": 1, "treatment": 1})
print("user u1 gets:", experiment.arm("u1"))

# What your handlers would log in two weeks, and in the week before, made up here.
happened, before = simulate(World(users=12_000, days=14, gain=0.365, buys=0.27, before_days=7), seed=4)
assert before is not None


def write(name: str, rows: Iterable[object]) -> list[Path]:
    file = Path(f"{name}.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [file]


logs = read_logs(
    write("exposures", happened.exposures()),
    clicks=write("clicks", happened.clicks()),
    orders=write("orders", happened.orders()),
)
past = read_before(write("before", before.exposures()), clicks=write("before-clicks", before.clicks()))
plan = Plan(
    metrics=["ctr", "conversion", "revenue_per_user"],
    guardrails={"exposures_per_user": 0.05},
    planned_users=12_000,
    title="Reranking for half of the users (synthetic data)",
)
report = analyse(logs, plan, before=past)
print(as_text(report))
Path("ab-test.html").write_text(as_html(report), encoding="utf-8")

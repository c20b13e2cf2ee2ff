"""Online experiments: assignment of users, analysis of logs, planning, interleaving and simulated clicks."""

from resift.experiments.analysis import Plan, analyse, analyse_table
from resift.experiments.assignment import Experiment
from resift.experiments.interleaving import Interleaved, team_draft
from resift.experiments.logs import Logs, read_before, read_logs
from resift.experiments.planning import Goal, make_plan
from resift.experiments.preference import analyse_choices, read_choices
from resift.experiments.simulation import ClickModel, World, simulate
from resift.experiments.table import Table, make_table

__all__ = [
    "ClickModel",
    "Experiment",
    "Goal",
    "Interleaved",
    "Logs",
    "Plan",
    "Table",
    "World",
    "analyse",
    "analyse_choices",
    "analyse_table",
    "make_plan",
    "make_table",
    "read_before",
    "read_choices",
    "read_logs",
    "simulate",
    "team_draft",
]

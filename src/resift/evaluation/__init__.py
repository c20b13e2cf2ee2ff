"""Does reranking help? Runs and judgements measured, compared and shown; the extra `eval`."""

from resift.evaluation.datasets import read_dataset, read_files
from resift.evaluation.experiment import Settings, analyse, evaluate
from resift.evaluation.page import as_html
from resift.evaluation.plan import Plan, make_plan, retrieve
from resift.evaluation.records import Dataset, Query, combine, select
from resift.evaluation.report import Report
from resift.evaluation.scores import Scores, score_candidates
from resift.evaluation.tables import as_csv, as_latex, as_text
from resift.evaluation.trec import read_qrels, read_run, write_run

__all__ = [
    "Dataset",
    "Plan",
    "Query",
    "Report",
    "Scores",
    "Settings",
    "analyse",
    "as_csv",
    "as_html",
    "as_latex",
    "as_text",
    "combine",
    "evaluate",
    "make_plan",
    "read_dataset",
    "read_files",
    "read_qrels",
    "read_run",
    "retrieve",
    "score_candidates",
    "select",
    "write_run",
]

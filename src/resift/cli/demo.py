"""Rerank a small built-in corpus in many languages, and show what was on top before and after.

BM25 recalls candidates from the documents of all languages, the model puts them in order. The documents and the
queries are part of resift; which document is right was decided before any model saw it, and what the model gets wrong
is shown too.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.demo_run import Check, Outcome, Results, read_cases, recall, run_cases
from resift.cli.options import DEFAULTS, Opener, add_model_options
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.types import ScoreInfo


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift demo`."""
    parser.add_argument("--lang", metavar="CODE", help="only queries in one language: zh, en, ar, ru, ja, es, de ...")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    parser.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR=1)")
    add_model_options(parser)
    parser.set_defaults(**DEFAULTS)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Run the cases and show them."""
    cases = read_cases(args.lang)
    if not cases:
        known = ", ".join(dict.fromkeys(case.lang for case in read_cases()))
        raise InputError(f"no demo query is in the language {args.lang!r}", hint=f"there are: {known}")
    candidates = recall(cases)
    started = time.perf_counter()
    with open_reranker(args) as reranker, output.progress(sum(map(len, candidates)), label="Reranking") as show:
        loading = time.perf_counter() - started
        results = run_cases(reranker, cases, candidates, show=show)
        info = reranker.info
    if args.json:
        output.write_json(_as_json(results, info, loading), indent=2)
    else:
        from resift.cli.demo_view import show_results

        show_results(results, info, loading=loading, console=output.console(no_color=args.no_color))
    return 0


def _as_json(results: Results, info: ScoreInfo, loading: float) -> dict[str, object]:
    outcomes = results.outcomes
    return {
        "info": asdict(info),
        "cases": [_outcome(one) for one in outcomes],
        "pair": _check(results.pair),
        "trap": {**_check(results.trap), "right_after": results.trap.after[1] > results.trap.after[0]},
        "summary": {
            "cases": len(outcomes),
            "right_before": sum(one.right_before for one in outcomes),
            "right_after": sum(one.right_after for one in outcomes),
            "pairs": results.pairs,
            "seconds_loading": round(loading, 3),
            "seconds_reranking": round(results.seconds, 3),
        },
    }


def _outcome(one: Outcome) -> dict[str, object]:
    case = one.case
    return {
        "kind": case.kind,
        "lang": case.lang,
        "query": case.query,
        "answers": list(case.answers),
        "right_before": one.right_before,
        "right_after": one.right_after,
        "before": [
            {"id": candidate.id, "place": candidate.place, "score": candidate.score} for candidate in one.candidates
        ],
        "after": [
            {"id": one.candidates[ranked.index].id, "place": place, "score": ranked.score}
            for place, ranked in enumerate(one.ranked, start=1)
        ],
    }


def _check(check: Check) -> dict[str, object]:
    return {
        "query": check.query,
        "documents": [
            {"text": text, "score_before": before, "score_after": after}
            for text, before, after in zip(check.documents, check.before, check.after, strict=True)
        ],
    }

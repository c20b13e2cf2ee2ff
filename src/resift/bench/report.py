"""From what was measured to figures that can be read, kept and compared."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from resift.bench.harness import Measured, Plan, Result, cleanliness, ratio
from resift.bench.operations import operations
from resift.bench.peers import ORACLES, OURS, PEERS
from resift.bench.workload import Workload
from resift.types import ModelSpec

Report: TypeAlias = dict[str, Any]
"""What is written as JSON: docs/speed.md and benchmarks/README.md explain the figures."""

FORMAT = 2


def make_report(plan: Plan, measured: Measured, spec: ModelSpec, *, facts: Mapping[str, object], keep: bool) -> Report:
    """Return the report of a run; `facts` come first in it."""
    return {
        "format": FORMAT,
        **facts,
        "settings": {
            "threads": plan.threads, "rounds": plan.rounds, "seconds": plan.seconds, "max_length": plan.max_length,
            "instruction_set": plan.level, "loaded": "once" if keep else "for each round",
        },
        "noise": cleanliness(measured.results),
        "peak_operations_per_second": {name: rounded(value) for name, value in machine_peaks(measured).items()},
        "workloads": {workload.name: _summary(workload, measured, spec) for workload in plan.workloads},
        "peers": {name: _peer(name, result) for name, result in measured.results.items()},
    }  # fmt: skip


def _summary(workload: Workload, measured: Measured, spec: ModelSpec) -> Report:
    """Return every peer's figures for one workload."""
    peaks = machine_peaks(measured)
    oracle, against = _oracle(workload.name, measured)
    work = operations(spec, workload.tokens)
    ours = {name: result for name, result in measured.results.items() if name.startswith(OURS)}
    rows = {}
    for name, result in measured.results.items():
        turns = result.turns.get(workload.name, [])
        seconds = np.array([value for turn in turns for value in turn.seconds])
        if not len(seconds):
            continue
        low, middle, high, tail, end = np.percentile(seconds, [25, 50, 75, 95, 99])
        peak = peaks.get(PEERS[name].precision)
        tokenising = measured.tokenising.get(workload.name) if name in ours else None
        rows[name] = {
            "precision": PEERS[name].precision,
            "kernel": result.kernel,
            "pairs_per_second": rounded(len(workload.pairs) / middle),
            "pairs_per_second_quartiles": [rounded(len(workload.pairs) / high), rounded(len(workload.pairs) / low)],
            "tokens_per_second": rounded(sum(workload.tokens) / middle),
            "share_of_peak": rounded(work / middle / peak) if peak else None,
            "share_of_tokenising": rounded(tokenising / middle) if tokenising is not None else None,
            "resift_is_faster_by": {
                our: rounded(ratio(other.turns.get(workload.name, []), turns)) for our, other in ours.items()
            },
            "milliseconds_p50": rounded(middle * 1000),
            "milliseconds_p95": rounded(tail * 1000),
            "milliseconds_p99": rounded(end * 1000),
            "calls": len(seconds),
            "rounds": [
                {
                    "milliseconds_p50": rounded(float(np.median(turn.seconds)) * 1000),
                    "foreign_share": rounded(turn.foreign),
                }
                for turn in turns
            ],
            **agreement(result.scores[workload.name], against),
        }
    return {
        "pairs": len(workload.pairs),
        "tokens": sum(workload.tokens),
        "operations": work,
        "scores_compared_with": oracle,
        "peers": rows,
    }


def machine_peaks(measured: Measured) -> dict[str, float]:
    """Return the operations per second that the machine does at each precision, as far as they were measured."""
    found = {name: result.machine_peak for name, result in measured.results.items()}
    return {PEERS[name].precision: peak for name, peak in found.items() if peak is not None}


def _oracle(workload: str, measured: Measured) -> tuple[str | None, Sequence[float] | None]:
    for name in ORACLES:
        result = measured.results.get(name)
        if result is not None and workload in result.scores:
            return name, result.scores[workload]
        if name == ORACLES[0] and workload in measured.reference:
            return name, measured.reference[workload]
    return None, None


def agreement(scores: Sequence[float], oracle: Sequence[float] | None) -> dict[str, float | None]:
    """Return Spearman's rank correlation and the largest difference of raw logits."""
    if oracle is None:
        return {"spearman": None, "max_difference": None}
    a, b = np.asarray(scores), np.asarray(oracle)
    difference = float(f"{np.abs(a - b).max():.3g}")
    if len(a) < 3:
        return {"spearman": None, "max_difference": difference}
    ranks = np.stack([np.argsort(np.argsort(values)) for values in (a, b)])
    return {"spearman": round(float(np.asarray(np.corrcoef(ranks))[0, 1]), 5), "max_difference": difference}


def rounded(value: float | None) -> float | None:
    """Return three significant digits: more would be noise."""
    return None if value is None else float(f"{value:.3g}")


def _peer(name: str, result: Result) -> Report:
    return {
        "status": result.status,
        "message": result.message,
        "precision": PEERS[name].precision,
        "kernel": result.kernel,
        "versions": result.versions,
        "load_seconds": rounded(float(np.median(result.load_seconds))) if result.load_seconds else None,
        "resident_mb": round(result.resident_mb),
        "peak_mb": round(result.peak_mb),
    }

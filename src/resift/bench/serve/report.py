"""From what was measured to figures that can be read, kept and compared."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from resift.bench.harness import Result as Cleanliness
from resift.bench.harness import cleanliness
from resift.bench.report import rounded
from resift.bench.serve.measure import InProcess, Measured, Plan, Result, middle, scenarios, throughput, versions
from resift.bench.serve.phase import Phase, Sent
from resift.bench.serve.servers import OURS, SERVERS

Report: TypeAlias = dict[str, Any]

KIND = "serve"
FORMAT = 1


def make_report(plan: Plan, measured: Measured, *, facts: Mapping[str, object]) -> Report:
    """Return the report of a run; `facts` come first in it."""
    return {
        "kind": KIND,
        "format": FORMAT,
        **facts,
        "settings": {
            "threads": plan.threads, "rounds": plan.rounds, "seconds": plan.seconds,
            "documents_under_load": plan.pools[plan.load].documents, "clients": list(plan.clients),
        },
        "noise": _noise(measured),
        "ratios": _ratios(plan, measured),
        "scenarios": {
            f"{name}-{group.name}" if len(groups) > 1 else name: _scenario(measured, name, group.name)
            for name, groups, _ in scenarios(plan)
            if name in plan.scenarios
            for group in groups
            if not group.background
        },
        "in_process": {name: _in_process(plan, engine) for name, engine in measured.engines.items()},
        "servers": {name: _server(name, result, plan) for name, result in measured.results.items()},
    }  # fmt: skip


def _noise(measured: Measured) -> Mapping[str, object]:
    found = {
        name: Cleanliness(turns={scene: [phase.turn for phase in phases] for scene, phases in result.phases.items()})
        for name, result in measured.results.items()
    }
    engines = {f"{name} in process": Cleanliness(turns={"": own.turns}) for name, own in measured.engines.items()}
    return cleanliness(found | engines)


def _scenario(measured: Measured, name: str, group: str) -> Report:
    """Return every server's figures for one group of a scenario."""
    rows = {}
    for server, result in measured.results.items():
        phases = result.phases.get(name, [])
        if phases:
            rows[server] = _row(phases, group) | {"arrivals_per_second": rounded(middle(result.rates.get(name, [])))}
    return rows


def _row(phases: Sequence[Phase], group: str) -> Report:
    sent = [phase.groups[group] for phase in phases]
    seconds = np.array([value for one in sent for value in one.seconds])
    rates = np.array([throughput(one) for one in sent])
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) if len(seconds) else (None, None, None)
    return {
        "requests": len(seconds),
        "requests_per_second": rounded(float(np.median(rates[:, 0]))),
        "pairs_per_second": rounded(float(np.median(rates[:, 1]))),
        "tokens_per_second": rounded(float(np.median(rates[:, 2]))),
        "milliseconds_p50": _milliseconds(p50),
        "milliseconds_p95": _milliseconds(p95),
        "milliseconds_p99": _milliseconds(p99),
        "generator_share": rounded(middle([phase.generator for phase in phases])),
        "server_share": rounded(middle([phase.server for phase in phases])),
        **_verdict(sent),
        "rounds": [
            {
                "pairs_per_second": rounded(rate[1]),
                "milliseconds_p50": _milliseconds(float(np.median(one.seconds)) if one.seconds else None),
                "foreign_share": rounded(phase.turn.foreign),
            }
            for rate, one, phase in zip(rates.tolist(), sent, phases, strict=True)
        ],
    }


def _verdict(sent: Sequence[Sent]) -> Report:
    """Return how many scores were wrong and how many requests had no answer."""
    return {
        "scores_checked": sum(one.checked for one in sent),
        "scores_wrong": sum(one.wrong for one in sent),
        "largest_difference": float(f"{max((one.largest for one in sent), default=0.0):.3g}"),
        "refused": _summed([one.refused for one in sent]),
        "lost": _summed([one.lost for one in sent]),
    }


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for key, count in one.items():
            total[key] = total.get(key, 0) + count
    return total


def _in_process(plan: Plan, engine: InProcess) -> Report:
    hundred = middle([value for one in engine.hundred for value in one])
    load = [value for one in engine.load for value in one]
    pairs = sum(len(request.documents) for request in plan.pools[plan.load].requests)
    return {
        "hundred_milliseconds_p50": _milliseconds(hundred),
        "pairs_per_second": rounded(pairs / float(np.median(load))) if load else None,
    }


def _server(name: str, result: Result, plan: Plan) -> Report:
    return {
        "status": result.status,
        "message": result.message,
        "precision": SERVERS[name].precision,
        "versions": dict(versions(name, plan.pythons.get(name))),
        "load_seconds": rounded(result.load_seconds),
        "resident_mb": round(result.resident_mb),
    }


def _ratios(plan: Plan, measured: Measured) -> Report:
    """Return what the targets are about; each is the median over the rounds, for each of our servers."""
    found: dict[str, dict[str, Any]] = {
        "http_cost_of_100_documents": {}, "throughput_over_in_process": {}, "single_p99_busy_over_idle": {},
        "throughput_over_peers": {},
    }  # fmt: skip
    most = f"closed-{max(plan.clients)}"
    for name, result in measured.results.items():
        busy = _p99_ratio(result)
        if busy is not None:
            found["single_p99_busy_over_idle"][name] = rounded(busy)
        if name not in measured.engines:
            continue
        engine = measured.engines[name]
        served = [float(np.median(phase.groups["hundred"].seconds)) for phase in result.phases.get("hundred", [])]
        own = [float(np.median(one)) for one in engine.hundred]
        found["http_cost_of_100_documents"][name] = _median_ratio(served, own)
        pairs = sum(len(request.documents) for request in plan.pools[plan.load].requests)
        under_load = [throughput(phase.groups["load"])[1] for phase in result.phases.get(most, [])]
        alone = [pairs / float(np.median(one)) for one in engine.load]
        found["throughput_over_in_process"][name] = _median_ratio(under_load, alone)
        found["throughput_over_peers"][name] = {
            peer: _median_ratio(under_load, [throughput(p.groups["load"])[1] for p in other.phases.get(most, [])])
            for peer, other in measured.results.items()
            if not peer.startswith(OURS)
        }
    return found


def _p99_ratio(result: Result) -> float | None:
    idle = [value for phase in result.phases.get("single", []) for value in phase.groups["single"].seconds]
    busy = [value for phase in result.phases.get("busy", []) for value in phase.groups["single"].seconds]
    if not idle or not busy:
        return None
    return float(np.percentile(busy, 99) / np.percentile(idle, 99))


def _median_ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    return rounded(middle([a / b for a, b in zip(above, below, strict=False) if b]))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else rounded(float(seconds) * 1000)

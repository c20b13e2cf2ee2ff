"""The models of `resift eval`, one after the other: opened, run over the candidates, closed."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resift.cli import output
from resift.cli.options import Opener, read_windows
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.evaluation import Plan, Scores
    from resift.reranker import Reranker

_BUILT_IN = "built-in"


def run_models(
    plan: Plan, systems: Sequence[argparse.Namespace], open_reranker: Opener, *, keep: Path | None
) -> tuple[dict[str, Scores], dict[str, Any]]:
    """Return what each model made of the plan, and the facts that belong at the head of the report."""
    from resift import __version__
    from resift.bench.environment import clock, disturbance, record, versions

    start = clock()
    scored: dict[str, Scores] = {}
    used: dict[str, Any] = {}
    for name, system in zip(_names(systems), systems, strict=True):
        with open_reranker(system) as reranker:
            used[name] = _described(reranker, system)
            scored[name] = _run(plan, name, reranker, keep=keep, identity=_identity(reranker, system))
    others = disturbance(start, clock()).foreign
    environment = {
        **record(),
        "resift": __version__,
        **versions(("ir_measures", "pytrec_eval", "numpy")),
    }
    return scored, {"systems": used, "environment": environment, "foreign_share": others}


def _run(plan: Plan, name: str, reranker: Reranker, *, keep: Path | None, identity: object) -> Scores:
    from resift.evaluation.scores import ScoreCache, score_candidates

    began = time.perf_counter()
    cache = ScoreCache(keep, name, identity) if keep is not None else None
    reranker.score_details([("warm", "up")])  # whatever a first call sets up is not the first query's time
    try:
        with output.progress(len(plan.queries), label=f"Scoring with {name}", unit="query") as show:
            scores = score_candidates(plan, reranker, cache=cache, tell=lambda done, _: show(done))
    finally:
        if cache is not None:
            cache.close()
    reused = f", {scores.reused} kept from before" if scores.reused else ""
    output.note(f"{name}: {scores.pairs - scores.reused} pairs scored in {time.perf_counter() - began:.1f} s{reused}")
    return scores


def _names(systems: Sequence[argparse.Namespace]) -> list[str]:
    """Return a name for each model: its last part, its precision where one was asked for, whole when two are alike."""
    short = [_name(system, Path(system.model).name if system.model is not None else _BUILT_IN) for system in systems]
    names = [
        name if short.count(name) == 1 else _name(system, system.model or _BUILT_IN)
        for name, system in zip(short, systems, strict=True)
    ]
    if len(set(names)) < len(names):
        raise InputError(f"a model is named twice: {', '.join(names)}")
    return names


def _name(system: argparse.Namespace, model: str) -> str:
    return model if system.precision is None else f"{model} {system.precision}"


def model_name(name: str) -> str:
    """Return a model's name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name)


def _described(reranker: Reranker, system: argparse.Namespace) -> dict[str, Any]:
    """Return what the scores depend on."""
    windows = read_windows(system)
    return {**asdict(reranker.info), "windows": asdict(windows) if windows is not None else None}


def _identity(reranker: Reranker, system: argparse.Namespace) -> dict[str, Any]:
    """Return what makes kept scores belong to this model: its files as well, for a folder that is trained further."""
    files = sorted(file for file in reranker.folder.rglob("*") if file.is_file())
    seen = [(str(file.relative_to(reranker.folder)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return {**_described(reranker, system), "files": seen}

"""Measure a model as it was asked for: what `resift bench` and `benchmarks/` share."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resift import __version__
from resift.bench import environment, isa
from resift.bench.harness import Plan, measure, stays_loaded
from resift.bench.peers import ORACLES, OURS, PEERS, PRECISIONS, Precision
from resift.bench.report import Report, make_report
from resift.bench.staging import stage
from resift.bench.workload import Workload, given_workload, make_workload
from resift.errors import InputError
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import ModelSource

_MAX_LENGTH = 512


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        source: the model.
        description: what the report calls it.
        precisions: of resift and of its peers; None for those that model and machine offer.
        workloads: names of `workload.NAMES`, each with another number of pairs than its own, or None.
        pairs: the caller's own pairs, measured instead of the workloads.
        peers: names, empty for resift alone; None for all peers of the precisions.
        quantized: folders of the same model quantised by resift, for the precisions that they hold.
        threads: cores for each peer; None for all that may be used.
        max_length: tokens of the longest sequence; None for 512 or the model's own limit.
        rounds, seconds: how often each peer has its turn at a workload, and how long that lasts at least.
        pythons: the interpreter of each peer, where it is not this one.
        level: the instruction set that all are held to, one of `isa.LEVELS`, or None.
        exports: where peers keep what they convert the model to.
        verbose: show what peers write.
        tell: is called with what is done next.
    """

    source: ModelSource
    description: str
    exports: Path
    precisions: Sequence[Precision] | None = None
    workloads: Mapping[str, int | None] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] | None = None
    peers: Sequence[str] | None = ()
    quantized: Sequence[Path] = ()
    threads: int | None = None
    max_length: int | None = None
    rounds: int = 5
    seconds: float = 2.0
    pythons: Mapping[str, str] = field(default_factory=dict)
    level: str | None = None
    verbose: bool = False
    tell: Callable[[str], None] = lambda _: None


def bench(request: Request) -> Report:
    """Measure and return the report."""
    checkpoint = load_checkpoint(request.source)
    spec, tokenizer = checkpoint.spec, checkpoint.tokenizer
    limit = min(request.max_length if request.max_length is not None else _MAX_LENGTH, spec.max_length)
    precisions = _precisions(request)
    workloads: list[Workload]
    if request.pairs is not None:
        workloads = [given_workload("given", request.pairs, tokenizer, max_length=limit)]
    else:
        workloads = [make_workload(name, tokenizer, pairs=count) for name, count in request.workloads.items()]
    names = [f"{OURS}-{precision}" for precision in precisions] + _peers(request, precisions)
    compared = len(names) > len(precisions)
    plan = Plan(
        folder=request.source.folder,
        peers=names,
        workloads=workloads,
        threads=request.threads if request.threads is not None else environment.usable_cores(),
        max_length=limit,
        rounds=request.rounds,
        seconds=request.seconds,
        pythons=request.pythons,
        folders=_folders(request, names, precisions) if compared else _quantized(request),
        level=request.level,
        # A model with match features is more than its network, which is all that others run.
        reference=_reference(request, names, compared=compared and not _has_features(checkpoint.config)),
        verbose=request.verbose,
        tell=request.tell,
    )
    facts = {"model": request.description, "resift": __version__, "environment": environment.record()}
    keep = stays_loaded(plan)
    return make_report(plan, measure(plan, keep=keep), spec, facts=facts, keep=keep)


def _has_features(config: Mapping[str, object]) -> bool:
    ours = config.get("resift")
    return isinstance(ours, Mapping) and "matching" in ours


def _precisions(request: Request) -> list[Precision]:
    held = _held_precision(request.source.folder)
    offered: list[Precision] = [held] if held is not None else _offered(request.level)
    if request.precisions is None:
        return offered
    return list(dict.fromkeys(request.precisions))


def _offered(level: str | None) -> list[Precision]:
    """Return the precisions that there are instructions for; bf16 without them is slower than fp32."""
    from resift import _native

    best = level if level is not None else _native.available_kernels("bf16")[0]
    with_bf16 = best in isa.LEVELS and isa.has(best, "bf16")
    return [precision for precision in PRECISIONS if precision != "bf16" or with_bf16]


def _peers(request: Request, precisions: Sequence[Precision]) -> list[str]:
    others = [name for name in PEERS if not name.startswith(OURS)]
    if request.peers is None:
        return [name for name in others if PEERS[name].precision in precisions]
    for name in request.peers:
        if name not in others:
            raise InputError(f"there is no peer {name!r}", hint=f"choose of {', '.join(others)}")
    return list(dict.fromkeys(request.peers))


def _reference(request: Request, names: Sequence[str], *, compared: bool) -> str | None:
    """Return who scores without being measured: the first oracle, when peers run and none of them is one."""
    if compared:
        return None if any(name in names for name in ORACLES[:2]) else ORACLES[0]
    return None if _held_precision(request.source.folder) is not None else ORACLES[-1]


def _folders(request: Request, names: Sequence[str], precisions: Sequence[Precision]) -> dict[str, Path]:
    """Return the peers' folder and those of our quantised models."""
    staged = stage(request.source.folder, request.exports)
    peers = dict.fromkeys([*names[len(precisions) :], *ORACLES[:2]], staged)
    return {**peers, **_quantized(request)}


def _quantized(request: Request) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in request.quantized:
        precision = _held_precision(folder)
        if precision is None:
            raise InputError(f"{folder} holds no model quantised by resift", hint="make one: resift quantize MODEL")
        found[f"{OURS}-{precision}"] = folder
    return found


def _held_precision(folder: Path) -> Precision | None:
    """Return the precision of a folder that resift quantised, None for any other model."""
    file = folder / "config.json"
    ours = json.loads(file.read_text(encoding="utf-8")).get("resift") if file.is_file() else None
    held: Precision | None = ours.get("quantization", {}).get("precision") if isinstance(ours, dict) else None
    return held

"""Peers side by side on the CPU: `python -m benchmarks.cpu --help`."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from benchmarks import environment, models
from benchmarks.harness import Plan, Result, cleanliness, measure, ratio, stays_loaded
from benchmarks.peers import ORACLES, PEERS
from benchmarks.workload import NAMES, Workload, make_workload

_OURS = "resift"
_ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, write JSON."""
    options = _parser().parse_args(arguments)
    folder, description = models.prepare(
        options.model, options.scratch, layers=options.layers, tokenizer=options.tokenizer
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    workloads = [make_workload(name, tokenizer, pairs=options.pairs.get(name)) for name in options.workloads]
    plan = Plan(
        folder=folder,
        peers=options.peers,
        workloads=workloads,
        threads=options.threads,
        rounds=options.rounds,
        seconds=options.seconds,
        pythons=_pythons(options.python),
    )
    before = environment.record()
    keep = stays_loaded(plan)
    results = measure(plan, keep=keep)
    report = {
        "model": description,
        "environment": before,
        "commit": _commit(),
        "settings": {
            "threads": plan.threads, "rounds": plan.rounds, "seconds": plan.seconds, "precision": "fp32",
            "loaded": "once" if keep else "for each round",
        },
        "noise": cleanliness(results),
        "workloads": {workload.name: summary(workload, results) for workload in workloads},
        "peers": {name: _peer(result) for name, result in results.items()},
    }  # fmt: skip
    print(table(report))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def summary(workload: Workload, results: Mapping[str, Result]) -> dict[str, object]:
    """Return every peer's figures for one workload."""
    oracle = next((name for name in ORACLES if name in results and workload.name in results[name].scores), None)
    ours = results[_OURS].turns.get(workload.name, []) if _OURS in results else []
    rows = {}
    for name, result in results.items():
        turns = result.turns.get(workload.name, [])
        seconds = np.array([value for turn in turns for value in turn.seconds])
        if not len(seconds):
            continue
        low, middle, high, tail = np.percentile(seconds, [25, 50, 75, 95])
        against = results[oracle].scores[workload.name] if oracle is not None else None
        rows[name] = {
            "pairs_per_second": _rounded(len(workload.pairs) / middle),
            "pairs_per_second_quartiles": [_rounded(len(workload.pairs) / high), _rounded(len(workload.pairs) / low)],
            "tokens_per_second": _rounded(sum(workload.tokens) / middle),
            "resift_is_faster_by": _rounded(ratio(ours, turns)),
            "milliseconds_p50": _rounded(middle * 1000),
            "milliseconds_p95": _rounded(tail * 1000),
            "calls": len(seconds),
            "rounds": [
                {
                    "milliseconds_p50": _rounded(float(np.median(turn.seconds)) * 1000),
                    "foreign_share": _rounded(turn.foreign),
                }
                for turn in turns
            ],
            **agreement(result.scores[workload.name], against),
        }
    return {
        "pairs": len(workload.pairs),
        "tokens": sum(workload.tokens),
        "scores_compared_with": oracle,
        "peers": rows,
    }


def agreement(scores: Sequence[float], oracle: Sequence[float] | None) -> dict[str, float | None]:
    """Return Spearman's rank correlation and the largest difference of raw logits."""
    if oracle is None:
        return {"spearman": None, "max_difference": None}
    a, b = np.asarray(scores), np.asarray(oracle)
    difference = float(f"{np.abs(a - b).max():.3g}")
    if len(a) < 3:
        return {"spearman": None, "max_difference": difference}
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return {"spearman": round(float(np.corrcoef(*ranks)[0, 1]), 5), "max_difference": difference}


def table(report: Mapping[str, object]) -> str:
    """Return the report as text."""
    lines = [str(report["model"]), ""]
    columns = ("pairs/s", "quartiles", "tokens/s", "resift is", "p50 ms", "p95 ms", "Spearman", "max diff")
    for name, part in report["workloads"].items():  # type: ignore[attr-defined]
        lines.append(f"{name}: {part['pairs']} pairs, {part['tokens']} tokens")
        lines.append(f"  {'':32}" + "".join(f"{column:>15}" for column in columns))
        ranked = sorted(part["peers"].items(), key=lambda item: -item[1]["pairs_per_second"])
        lines += [f"  {peer:32}" + "".join(f"{cell:>15}" for cell in _cells(row)) for peer, row in ranked]
        lines.append("")
    lines.append(f"  {'':32}{'load s':>15}{'peak MB':>15}  versions")
    for name, peer in report["peers"].items():  # type: ignore[attr-defined]
        if peer["status"] != "ok":
            lines.append(f"  {name:32}  {peer['status']}: {peer['message']}")
            continue
        versions = ", ".join(f"{package} {version}" for package, version in peer["versions"].items())
        lines.append(f"  {name:32}{peer['load_seconds']:>15.2f}{peer['peak_mb']:>15}  {versions}")
    noise = report["noise"]
    lines += ["", "clean: yes" if noise["clean"] else f"NOT CLEAN: {noise['reason']}"]  # type: ignore[index]
    return "\n".join(lines)


def _cells(row: Mapping[str, object]) -> list[str]:
    low, high = row["pairs_per_second_quartiles"]  # type: ignore[misc]
    faster = row["resift_is_faster_by"]
    return [
        _shown(row["pairs_per_second"]), f"{low}..{high}", _shown(row["tokens_per_second"]),
        "-" if faster is None else f"{faster}x as fast", _shown(row["milliseconds_p50"]),
        _shown(row["milliseconds_p95"]), _shown(row["spearman"]), _shown(row["max_difference"]),
    ]  # fmt: skip


def _shown(value: object) -> str:
    return "-" if value is None else f"{value}"


def _rounded(value: float | None) -> float | None:
    """Return three significant digits: more would be noise."""
    return None if value is None else float(f"{value:.3g}")


def _peer(result: Result) -> dict[str, object]:
    return {
        "status": result.status,
        "message": result.message,
        "versions": result.versions,
        "load_seconds": _rounded(float(np.median(result.load_seconds))) if result.load_seconds else None,
        "peak_mb": round(result.peak_mb),
    }


def _pythons(given: Sequence[str]) -> dict[str, str]:
    """Read `PATH` (all peers but ours) and `PEER=PATH`."""
    found: dict[str, str] = {}
    for item in given:
        name, equals, path = item.partition("=")
        if equals:
            found[name] = path
        else:
            found |= {peer: item for peer in PEERS if peer != _OURS and peer not in found}
    return found


def _pairs(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if name not in NAMES or not count.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected WORKLOAD=COUNT, with one of {', '.join(NAMES)}")
    return name, int(count)


class _ToDict(argparse.Action):
    """Collects NAME=VALUE pairs."""

    def __call__(self, _: object, namespace: argparse.Namespace, values: object, __: object = None) -> None:
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), **dict([values])})  # type: ignore[list-item]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=main.__doc__)
    parser.add_argument("--model", default="small", help="small, full, or a model's folder (default: small)")
    parser.add_argument("--layers", type=int, help="cut a generated model to fewer layers")
    parser.add_argument(
        "--tokenizer", type=Path, help="tokenizer.json for a generated model, in place of a generated one"
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--workloads", nargs="+", choices=NAMES, default=["rag", "uniform-128", "single"])
    parser.add_argument("--pairs", type=_pairs, action=_ToDict, default={}, metavar="WORKLOAD=COUNT")
    parser.add_argument("--threads", type=int, default=environment.usable_cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="least duration of a turn (default: 2)")
    parser.add_argument(
        "--python", action="append", default=[], metavar="[PEER=]PATH", help="interpreter of the peers, or of one peer"
    )
    parser.add_argument("--scratch", type=Path, default=_ROOT / "scratch" / "benchmarks", help="where models are kept")
    parser.add_argument("--json", type=Path, help="write the report to this file")
    return parser


def _commit() -> str | None:
    """Return the commit of the tree, with a + when it has changes."""
    try:
        command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    sys.exit(main())

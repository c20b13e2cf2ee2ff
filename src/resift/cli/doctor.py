"""Show what resift would use here and why, and test it.

Versions, processor and kernels, threads, memory, the cache of downloads, and the model: which one would run, where,
and whether it gives a known pair a higher score than an unrelated one. Nothing is downloaded. Exit code 1 when the
model cannot be used.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from resift.cli import machine, output
from resift.cli.options import DEFAULTS, Opener, add_model_options
from resift.errors import ResiftError

if TYPE_CHECKING:
    from rich.console import Console

_QUERY = "What is the capital of France?"
_ANSWER = "Paris is the capital and largest city of France."
_OTHER = "Cut the onions into thin rings and fry them in butter."

_ADVICE = {
    "slow": "resift quantize MODEL -o FOLDER writes a faster, checked copy; --threads N up to the processors "
    "we may use; --max-length 256 for short documents; fewer candidates.",
    "memory": "--max-batch-tokens 2048 bounds what is in work at a time; scores do not change.",
    "offline": "resift pull MODEL --to FOLDER where there is a network, copy FOLDER here, then --model FOLDER.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift doctor`."""
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    parser.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR=1)")
    add_model_options(parser)
    parser.set_defaults(**DEFAULTS)


def run(args: argparse.Namespace, open_reranker: Opener) -> int:
    """Gather the facts, test the model, write both."""
    report: dict[str, Mapping[str, object]] = {
        "versions": machine.versions(),
        "processor": machine.processor(),
        "threads": machine.threads(os.environ),
        "memory": machine.memory(),
        "cache": machine.cache(args.cache_dir),
        "model": _test(args, open_reranker),
    }
    problems = _problems(report)
    if args.json:
        output.write_json({**report, "problems": problems, "advice": _ADVICE}, indent=2)
    else:
        _write(report, problems, output.console(no_color=args.no_color))
    return 0 if report["model"]["works"] else 1


def _test(args: argparse.Namespace, open_reranker: Opener) -> dict[str, object]:
    """Open the model, unless it would have to be downloaded, and score the known pair."""
    from resift.loading.source import locate

    facts: dict[str, object] = {"asked_for": args.model or "the built-in model", "works": False}
    started = time.perf_counter()
    try:
        source = locate(args.model, revision=args.revision, cache_dir=args.cache_dir, download=False)
        facts |= {"found": source.kind, "folder": str(source.folder)}
        with open_reranker(args) as reranker:
            facts["seconds_to_load"] = round(time.perf_counter() - started, 3)
            started = time.perf_counter()
            answer, other = map(float, reranker.score([(_QUERY, _ANSWER), (_QUERY, _OTHER)]))
            facts["seconds_to_score"] = round(time.perf_counter() - started, 4)
            facts |= asdict(reranker.info)
    except ResiftError as error:
        return {**facts, "error": error.message, "hint": error.hint}
    except ImportError as error:
        return {**facts, "error": str(error), "hint": "the native engine is not built: pip install . in the repository"}
    facts |= {"score_of_answer": answer, "score_of_unrelated": other}
    facts["works"] = math.isfinite(answer) and math.isfinite(other) and answer > other
    if not facts["works"]:
        facts["error"] = f"the answer scores {answer:.4f}, an unrelated text {other:.4f}"
        facts["hint"] = "is this a reranker, trained for English? try: resift doctor without --model"
    return facts


def _problems(report: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Say what is wrong or slower than it could be."""
    problems = []
    model, threads, cache = report["model"], report["threads"], report["cache"]
    if not model["works"]:
        problems.append(f"model: {model['error']}" + (f" ({model['hint']})" if model["hint"] else ""))
    if report["processor"]["native"] != "built":
        problems.append("the native engine is missing, only the slow reference backend runs (pip install . builds it)")
    elif report["processor"]["kernels"] == ["portable"]:
        problems.append("this processor has none of the instruction sets that resift has fast kernels for")
    if threads["forced_kernel"] is not None:
        problems.append(
            f"{machine.KERNEL_VARIABLE}={threads['forced_kernel']} forces the kernel; unset it for the best"
        )
    if not cache["writable"]:
        problems.append(f"the cache {cache['folder']} cannot be written: --cache-dir FOLDER or HF_HOME=FOLDER")
    return problems


def _write(report: Mapping[str, Mapping[str, object]], problems: list[str], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    for title, facts in report.items():
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=20, style="dim")
        table.add_column(overflow="fold")
        for name, value in facts.items():
            if value not in (None, "", []):
                table.add_row(f"  {name.replace('_', ' ')}", Text(_shown(name, value)))
        console.print(Text(title, "bold"))
        console.print(table)
    verdict = Text("ok: ", "bold green") if report["model"]["works"] else Text("not working: ", "bold red")
    console.print(verdict.append(_conclusion(report), "default"))
    for problem in problems:
        console.print(Text(f"problem: {problem}", "yellow"))
    console.print(Text("if it is ...", "bold"))
    for name, text in _ADVICE.items():
        console.print(Text(f"  {name}: {text}"))


def _conclusion(report: Mapping[str, Mapping[str, object]]) -> str:
    model = report["model"]
    if not model["works"]:
        return str(model["error"])
    forced = report["threads"]["forced_kernel"] is not None
    kernels = report["processor"].get(f"kernels_{model['precision']}", [])
    why = f"{machine.KERNEL_VARIABLE} forces it" if forced else f"the best of {', '.join(map(str, _listed(kernels)))}"
    kernel = f", kernel {model['kernel']} ({why})" if model["kernel"] is not None else ""
    threads = report["threads"]["default"]
    return f"{model['model']} with the backend {model['backend']}{kernel}, {model['precision']}, {threads} threads"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int) and name in {"total", "available", "cgroup_limit", "free"}:
        return output.size(value)
    return output.printable(str(value))

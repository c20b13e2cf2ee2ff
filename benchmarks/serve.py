"""Servers side by side under load: `resift serve` and its peers, on models that need no download.

python -m benchmarks.serve                                       # 6 layers of 384
python -m benchmarks.serve --model embedded --servers resift-int8
python -m benchmarks.serve --python infinity-torch=PATH/bin/python --save benchmarks/results/NAME.json
python -m benchmarks.serve --show FILE --markdown
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import models
from benchmarks.cpu import commit
from resift import __version__
from resift.bench import environment
from resift.bench.serve.measure import Plan, measure
from resift.bench.serve.pool import make_pool
from resift.bench.serve.report import Report, make_report
from resift.bench.serve.servers import SERVERS, stage_onnx
from resift.bench.serve.tables import as_markdown, as_text
from resift.bench.staging import stage
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate

_ROOT = Path(__file__).resolve().parents[1]
_ALL = ("single", "hundred", "closed-1", "closed-8", "closed-64", "open-50", "open-80", "busy", "mixed")
# A request of the many clients, and how many of each size there are: less work where the model is slow.
_SIZES = {
    "embedded": {"10": 128, "100": 8, "1000": 2, "1": 256},
    "small": {"10": 128, "100": 4, "1000": 1, "1": 128},
    "full": {"1": 128, "100": 1, "1000": 1},
}
_SERVERS = {
    "embedded": ("resift-int8",),
    "small": ("resift-fp32", "resift-int8", "infinity-torch", "infinity-onnx-int8"),
    "full": ("resift-int8", "infinity-torch"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the servers, measure, show and save the report."""
    options = _parser().parse_args(arguments)
    end_on_sigterm()
    if options.show is not None:
        _show(json.loads(options.show.read_text(encoding="utf-8")), options)
        return
    report = make(options)
    if options.save is not None:
        options.save.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _show(report, options)


def end_on_sigterm() -> None:
    """Let SIGTERM end the program as Ctrl-C does: with all that it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def make(options: argparse.Namespace) -> Report:
    """Measure what the options ask for."""
    embedded = options.model == "embedded"
    source = locate(None)
    description = "the built-in model"
    if not embedded:
        folder, description = models.prepare(options.model, options.scratch)
        source = locate(folder)
    tokenizer = load_checkpoint(source).tokenizer
    kind = options.model if options.model in _SIZES else "small"
    sizes = _SIZES[kind]
    pools = {name: make_pool(tokenizer, documents=int(name), requests=count) for name, count in sizes.items()}
    servers = options.servers if options.servers is not None else _SERVERS[kind]
    plan = Plan(
        folder=source.folder,
        embedded=embedded,
        servers=servers,
        pools=pools,
        load="10" if "10" in pools else "1",
        scenarios=[name for name in options.scenarios if name != "mixed" or "10" in pools],
        threads=options.threads if options.threads is not None else environment.usable_cores(),
        rounds=options.rounds,
        seconds=options.seconds,
        pythons=dict(item.split("=", 1) for item in options.python),
        folders=_folders(servers, source.folder, options.scratch / "exports"),
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
    facts = {"model": description, "resift": __version__, "environment": environment.record(), "commit": commit()}
    return make_report(plan, measure(plan), facts=facts)


def _folders(servers: Sequence[str], folder: Path, exports: Path) -> dict[str, Path]:
    """Return the folders of servers that want more than the model's own files; `benchmarks.cpu` exports the graphs."""
    found = {}
    for name in servers:
        wanted = SERVERS[name].export
        if wanted is None:
            continue
        staged = stage(folder, exports)
        found[name] = stage_onnx(staged, staged / wanted / "model.onnx", exports / f"{staged.name}-{name}")
    return found


def _show(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        print(as_markdown(report) if options.markdown else as_text(report))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="small", help="embedded, small, full, or a model's folder (default: small)")
    parser.add_argument("--servers", nargs="+", choices=list(SERVERS), help="default: ours, and the peers that can")
    parser.add_argument("--scenarios", nargs="+", choices=_ALL, default=_ALL, help="default: all")
    parser.add_argument("--python", action="append", default=[], metavar="SERVER=PATH", help="interpreter of a server")
    parser.add_argument("--threads", type=int, help="cores of each server (default: all that we may use)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of sending in each scenario (default: 3)")
    parser.add_argument("--scratch", type=Path, default=_ROOT / "scratch" / "benchmarks", help="where models are kept")
    parser.add_argument("--show", metavar="FILE", type=Path, help="show a saved report and measure nothing")
    parser.add_argument("--save", metavar="FILE", type=Path, help="write the JSON to a file as well")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    parser.add_argument("--markdown", action="store_true", help="tables for a page")
    return parser


if __name__ == "__main__":
    main()

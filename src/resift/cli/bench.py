"""Measure a model on this machine: speed, latency, memory, and how far from the machine's peak that is.

  resift bench
  resift bench BAAI/bge-reranker-v2-m3 --precision int8 bf16
  resift bench FOLDER --workload rag=20 single --threads 4
  resift bench FOLDER --pairs pairs.jsonl --json
  resift bench FOLDER --peers --python .venv-peers/bin/python --save report.json
  resift bench --show report.json --markdown

Without --pairs the pairs are made of the tokenizer's own words. With --peers other libraries that are installed run
the same model on the same pairs, each in a process of its own, in turns with resift. The report says whether other
processes took part of the processor meanwhile: quote only clean ones.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.options import Opener, positive
from resift.cli.reading import BadLines, choose_format, read_rows
from resift.errors import InputError

if TYPE_CHECKING:
    from resift.bench.report import Report
    from resift.bench.run import Request
    from resift.loading.source import ModelSource

_WORKLOADS = ("rag", "uniform-128", "uniform-512", "single", "ten")
_DEFAULT_WORKLOADS = ("rag", "uniform-128", "single", "ten")
_LEVELS = ("avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift bench`."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a folder or a hub id (default: the built-in model)")
    parser.add_argument("--show", metavar="FILE", type=Path, help="show a saved report and measure nothing")
    add_measuring_options(parser)


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Add all but which model it is."""
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--precision", nargs="+", choices=["fp32", "bf16", "int8"], help="default: what model and processor offer"
    )
    what.add_argument(
        "--workload",
        nargs="+",
        type=_workload,
        default=[(name, None) for name in _DEFAULT_WORKLOADS],
        metavar="NAME[=PAIRS]",
        help=f"{', '.join(_WORKLOADS)} (default: {' '.join(_DEFAULT_WORKLOADS)})",
    )
    what.add_argument("--pairs", metavar="FILE", help="your own pairs: .jsonl, .csv or .tsv with query and document")
    what.add_argument("--quantized", metavar="FOLDER", action="append", default=[], type=Path,
                      help="the same model as `resift quantize` wrote it, used at its precision")  # fmt: skip
    what.add_argument("--threads", metavar="N", type=positive, help="cores (default: all that we may use)")
    what.add_argument("--max-length", metavar="TOKENS", type=positive, help="longest query and document together")
    what.add_argument("--rounds", metavar="N", type=positive, default=5, help="turns at each workload (default: 5)")
    what.add_argument("--seconds", type=float, default=2.0, help="least duration of a turn (default: 2)")
    peers = parser.add_argument_group("peers")
    peers.add_argument("--peers", nargs="*", metavar="PEER", help="run other libraries too: these, or all")
    peers.add_argument(
        "--python", action="append", default=[], metavar="[PEER=]PATH", help="interpreter of the peers, or of one peer"
    )
    peers.add_argument("--isa", choices=_LEVELS, help="hold resift and every peer to an older instruction set")
    peers.add_argument("--exports", metavar="FOLDER", type=Path, help="where peers keep the models that they convert")
    peers.add_argument("--verbose", action="store_true", help="show what peers write")
    shown = parser.add_argument_group("report")
    shown.add_argument("--json", action="store_true", help="everything as one JSON object")
    shown.add_argument("--markdown", action="store_true", help="tables for a page")
    shown.add_argument("--save", metavar="FILE", type=Path, help="write the JSON to a file as well")


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - each runs in a process of its own
    """Measure, or read what was measured, and show it."""
    if args.show is not None:
        show(read_report(args.show), args)
        return 0
    from resift.bench.run import bench
    from resift.loading.source import locate

    source = locate(args.model)
    name = "the built-in model" if source.kind == "embedded" else Path(source.name).name
    show(bench(make_request(args, source, name if source.kind != "hub" else source.name)), args)
    return 0


def make_request(args: argparse.Namespace, source: ModelSource, description: str) -> Request:
    """Return what the options ask for."""
    from resift.bench.run import Request
    from resift.bench.staging import default_root

    return Request(
        source=source,
        description=description,
        exports=args.exports if args.exports is not None else default_root(),
        precisions=args.precision,
        workloads=dict(args.workload),
        pairs=_read_pairs(args.pairs) if args.pairs is not None else None,
        peers=_peers(args.peers),
        quantized=args.quantized,
        threads=args.threads,
        max_length=args.max_length,
        rounds=args.rounds,
        seconds=args.seconds,
        pythons=_pythons(args.python),
        level=args.isa,
        verbose=args.verbose,
        tell=output.note,
    )


def show(report: Report, args: argparse.Namespace) -> None:
    """Write the report as it was asked for."""
    from resift.bench.tables import as_markdown, as_text

    if args.save is not None:
        args.save.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.json:
        output.write_json(report, indent=1)
    else:
        output.write(as_markdown(report) if args.markdown else as_text(report))


def read_report(file: Path) -> Report:
    """Return a saved report; raises InputError when the file is none."""
    from resift.bench.report import FORMAT

    try:
        report: Report = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{file} is no report: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise InputError(f"{file} is no report of this version of resift bench")
    return report


def _read_pairs(file: str) -> list[tuple[str, str]]:
    kind = choose_format(file, None, stdin="jsonl")
    if kind == "txt":
        raise InputError("a pair is two texts: .txt has only one on a line", hint="use .jsonl, .csv or .tsv")
    bad = BadLines(file)
    pairs = []
    for row in read_rows(file, kind, bad=bad):
        value = row.value
        query, document = value if isinstance(value, list) and len(value) == 2 else _fields(value)
        if isinstance(query, str) and isinstance(document, str):
            pairs.append((query, document))
        else:
            bad.report(row.line, "expected the texts 'query' and 'document', or [query, document]")
    if not pairs:
        raise InputError(f"{file} holds no pairs")
    return pairs


def _fields(value: object) -> tuple[object, object]:
    return (value.get("query"), value.get("document")) if isinstance(value, dict) else (None, None)


def _peers(given: list[str] | None) -> list[str] | None:
    """Return no peers without the option, None (all) for the option alone."""
    if given is None:
        return []
    return given or None


def _workload(text: str) -> tuple[str, int | None]:
    name, equals, count = text.partition("=")
    if name not in _WORKLOADS or (equals and not (count.isdigit() and int(count))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME or NAME=PAIRS, of {', '.join(_WORKLOADS)}")
    return name, int(count) if equals else None


def _pythons(given: list[str]) -> dict[str, str]:
    """Read `PATH` (all peers but ours) and `PEER=PATH`."""
    if not given:
        return {}
    from resift.bench.peers import OURS, PEERS

    found: dict[str, str] = {}
    for item in given:
        name, _, path = item.partition("=")
        if name in PEERS:
            found[name] = path
        else:
            found |= {peer: item for peer in PEERS if not peer.startswith(OURS) and peer not in found}
    return found

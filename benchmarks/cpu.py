"""Peers side by side on the CPU, on generated models: `resift bench` with a model that needs no download."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import models
from resift.bench.run import bench
from resift.cli.bench import add_measuring_options, make_request, show
from resift.loading.source import locate

_ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the model, measure, show and save the report with the commit of the tree."""
    options = _parser().parse_args(arguments)
    folder, description = models.prepare(
        options.model, options.scratch, layers=options.layers, tokenizer=options.tokenizer
    )
    if options.exports is None:
        options.exports = options.scratch / "exports"
    show({**bench(make_request(options, locate(folder), description)), "commit": commit()}, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=__doc__)
    parser.add_argument("--model", default="small", help="small, full, or a model's folder (default: small)")
    parser.add_argument("--layers", type=int, help="cut a generated model to fewer layers")
    parser.add_argument(
        "--tokenizer", type=Path, help="tokenizer.json for a generated model, in place of a generated one"
    )
    parser.add_argument("--scratch", type=Path, default=_ROOT / "scratch" / "benchmarks", help="where models are kept")
    add_measuring_options(parser)
    return parser


def commit() -> str | None:
    """Return the commit of the tree, with a + when it has changes."""
    try:
        command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    sys.exit(main())

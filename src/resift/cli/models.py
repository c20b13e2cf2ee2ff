"""List the models that are on this machine: the built-in one, those in the cache of downloads, and FOLDERs.

  resift models
  resift models ./reranker-int8

A model that resift cannot run is listed with the reason, a quantised one with how it compares with the original.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from resift.cli import output
from resift.cli.options import Opener

if TYPE_CHECKING:
    from resift.loading.cached import InstalledModel


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift models`."""
    parser.add_argument("folders", metavar="FOLDER", nargs="*", help="models in folders, listed alone")
    parser.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    parser.add_argument("--json", action="store_true", help="a JSON list")
    parser.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR=1)")


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - nothing is opened
    """Write the list."""
    from resift.loading.cached import folder_models, installed_models

    models = folder_models(map(Path, args.folders)) if args.folders else installed_models(args.cache_dir)
    if args.json:
        output.write_json([{**asdict(model), "folder": str(model.folder)} for model in models], indent=2)
    elif models:
        _write_table(models, no_color=args.no_color)
    else:
        output.note("no models here")
    if not models and not args.json:
        output.note("hint: resift pull BAAI/bge-reranker-v2-m3")
    return 0


def _write_table(models: list[InstalledModel], *, no_color: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("family", overflow="fold")
    quantised = any(model.quantization is not None for model in models)
    if quantised:
        table.add_column("quantised", overflow="fold")
    table.add_column("revision", no_wrap=True)
    table.add_column("folder", overflow="fold")
    for model in models:
        runs = Text(model.family) if model.family is not None else Text(f"cannot run: {model.problem}", "yellow")
        revision = model.revision[:12] if model.revision is not None else ""
        report = [Text(_comparison(model.quantization))] if quantised else []
        table.add_row(
            Text(model.name, "bold"), output.size(model.bytes), runs, *report, revision, Text(str(model.folder))
        )
    output.console(no_color=no_color).print(table)


def _comparison(report: Mapping[str, object] | None) -> str:
    """Say how a quantised model compares with the original, from its quantization.json."""
    if report is None:
        return ""
    attempts = report.get("attempts")
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    found = last.get("comparison") if isinstance(last, dict) else None
    parts = [str(report.get("precision"))]
    for name, key in (("Spearman", "spearman"), ("top-10 overlap", "overlap")):
        value = found.get(key) if isinstance(found, dict) else None
        if isinstance(value, int | float):
            parts.append(f"{name} {value:.4f}")
    return ", ".join(parts if report.get("passed") is True else [*parts, "FAILED"])

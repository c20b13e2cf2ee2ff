"""Download a model once, to use it offline.

  resift pull BAAI/bge-reranker-v2-m3
  resift pull BAAI/bge-reranker-v2-m3 --revision v1.0 --to ./models/reranker

An interrupted download goes on where it stopped, and every file's checksum is verified. The folder is written to
standard output. `--to` writes plain files, to be copied to a machine without a network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from resift.cli import output
from resift.cli.options import Opener


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resift pull`."""
    parser.add_argument("model", metavar="MODEL", help="a hub id: owner/name")
    parser.add_argument("--revision", metavar="REV", help="commit, tag or branch")
    parser.add_argument("--cache-dir", metavar="FOLDER", type=Path, help="where downloaded models are kept")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="write the files there and not into the cache")


def run(args: argparse.Namespace, open_reranker: Opener) -> int:  # noqa: ARG001 - nothing is opened
    """Download, verify, and write the folder."""
    from resift.loading.pull import pull

    pulled = pull(
        args.model, revision=args.revision, cache_dir=args.cache_dir, to=args.to, progress=output.wants_progress()
    )
    output.note(
        f"{pulled.name} at {pulled.commit}: {len(pulled.files)} files, {output.size(pulled.bytes)}, checksums verified"
    )
    use = str(args.to) if args.to is not None else pulled.name
    output.note(f"use it: resift rank --model {use} QUERY DOCUMENT ..., or resift serve {use}")
    output.write(str(pulled.folder))
    return 0

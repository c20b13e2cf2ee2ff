"""A pipeline over many passages: how long it takes to build, what it needs, and where the time of a search goes.

    python -m benchmarks.pipeline --count 1000000 --stores bm25 --save pipeline.json
    python -m benchmarks.pipeline --passages corpus.jsonl --stores bm25,faiss --faiss ivf --fusion weighted

Each step runs in a process of its own, so that its memory is its own. Queries are parts of passages without every third
word, so the passage that a query is from is known: how often each stage has it among its first ten is reported too.
Without `--passages` texts are made of random words, which is enough for times and sizes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu import commit
from benchmarks.passages import passages, questions
from resift import Pipeline, __version__
from resift.bench import environment
from resift.pipeline.records import SearchResult

KIND = "pipeline"
_ROOT = Path(__file__).resolve().parents[1]
_WARM = 5
_TOP = 10
_UPDATED = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all steps, each in its own process, and print the report; or run the one step that the parent asked for."""
    options = _parser().parse_args(arguments)
    if options.step is not None:
        before = environment.clock()
        result = _STEPS[options.step](options)
        others = environment.disturbance(before, environment.clock())
        print(json.dumps({**result, "taken_by_others": _shares(others)}))
        return
    folder: Path = options.folder
    if folder.exists() and not options.keep:
        shutil.rmtree(folder)
    steps = [name for name in _STEPS if name != "build" or not options.keep]
    report = {
        "kind": KIND,
        "resift": __version__,
        "commit": commit(),
        "environment": environment.record(),
        "versions": environment.versions(("numpy", "faiss-cpu", "pymilvus", "milvus-lite")),
        "settings": {
            "passages": "made up" if options.passages is None else options.passages.name,
            "count": options.count,
            "stores": options.stores,
            "faiss": options.faiss,
            "fusion": options.fusion,
            "queries": options.queries,
            "depth": options.depth,
        },
        "steps": {name: _in_a_process(name, sys.argv[1:] if arguments is None else arguments) for name in steps},
    }
    print(json.dumps(report, indent=1))
    if options.save is not None:
        options.save.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def build(options: argparse.Namespace) -> dict[str, Any]:
    """Index all passages."""
    stores = options.stores.split(",")
    weights = dict(_weight(one) for one in options.weights)
    with Pipeline.create(
        options.folder, stores=stores, faiss_kind=options.faiss, fusion=options.fusion, weights=weights, reranker=False
    ) as pipeline:
        changes = pipeline.add(passages(options.passages, options.count), progress=_shown)
        info = pipeline.info
    return {
        "seconds": round(changes.seconds, 1),
        "passages": changes.passages,
        "passages_per_second": round(changes.passages / changes.seconds),
        "peak_mb": _mb(environment.peak_memory_mb()),
        "folder_mb": _mb(info.bytes / 2**20),
        "store_mb": {store.name: _mb(store.bytes / 2**20) for store in info.stores if store.bytes is not None},
    }


def search(options: argparse.Namespace) -> dict[str, Any]:
    """Open for reading, then search without and with the reranker."""
    started = time.perf_counter()
    with Pipeline(options.folder, writable=False) as pipeline:
        opened = time.perf_counter() - started
        after_opening = environment.resident_memory_mb()
        every = max(options.count // (options.queries + _WARM + 1), 1)
        asked = questions(passages(options.passages, options.count), options.queries + _WARM, every=every)
        first = time.perf_counter()
        pipeline.search(asked[0][0], rerank=False)
        first_search = time.perf_counter() - first
        fast = _measured(asked, lambda query: pipeline.search(query, top_k=_TOP, rerank=False))
        resident = environment.resident_memory_mb()
        ranked = _measured(asked, lambda query: pipeline.search(query, top_k=_TOP, depth=options.depth))
    return {
        "open_seconds": round(opened, 3),
        "first_search_ms": round(first_search * 1000, 1),
        "resident_mb_after_opening": _mb(after_opening),
        "resident_mb_after_searching": _mb(resident),
        "first_stage": fast,
        "reranked": ranked,
    }


def update(options: argparse.Namespace) -> dict[str, Any]:
    """Add some documents to what is there, replace and delete them: each call is durable when it returns."""
    rows = [{**row, "id": f"new-{place}"} for place, row in enumerate(passages(options.passages, _UPDATED))]
    changed = [{**row, "text": f"{row['text']} changed"} for row in rows]
    with Pipeline(options.folder, reranker=False) as pipeline:
        seconds = {
            "add": _seconds(lambda: pipeline.add(rows)),
            "add_again_unchanged": _seconds(lambda: pipeline.add(rows)),
            "replace": _seconds(lambda: pipeline.add(changed)),
            "delete": _seconds(lambda: pipeline.delete(str(row["id"]) for row in rows)),
        }
    return {"documents": _UPDATED, "seconds": seconds, "peak_mb": _mb(environment.peak_memory_mb())}


_STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"build": build, "search": search, "update": update}


def _measured(asked: Sequence[tuple[str, str]], find: Callable[[str], SearchResult]) -> dict[str, Any]:
    """Return times by stage, in ms, and how often each stage had the passage a query is from among its first ten."""
    times: dict[str, list[float]] = {}
    found: dict[str, int] = {}
    for place, (query, wanted) in enumerate(asked):
        started = time.perf_counter()
        result = find(query)
        whole = time.perf_counter() - started
        if place < _WARM:
            continue
        times.setdefault("whole", []).append(whole)
        for stage in result.stages:
            times.setdefault(stage.name, []).append(stage.seconds)
        hit = next((one for one in result if one.document == wanted), None)
        found["answer"] = found.get("answer", 0) + (hit is not None)
        for name, rank in (hit.ranks if hit is not None else {}).items():
            found[name] = found.get(name, 0) + (rank <= _TOP)
    asked_count = len(asked) - _WARM
    return {
        "ms": {name: _quantiles(some) for name, some in times.items()},
        "own_passage_in_first_ten": {name: round(count / asked_count, 3) for name, count in found.items()},
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    values = np.quantile(np.array(seconds) * 1000, [0.5, 0.95])
    return {"p50": round(float(values[0]), 2), "p95": round(float(values[1]), 2)}


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return round(time.perf_counter() - started, 3)


def _shares(others: environment.Disturbance) -> dict[str, float | None]:
    """Return the shares of all cores that other processes and the machine's host took."""
    return {
        name: None if share is None else round(share, 3)
        for name, share in (("processes", others.foreign), ("host", others.steal))
    }


def _mb(megabytes: float | None) -> int | None:
    return None if megabytes is None else round(megabytes)


def _shown(changes: Any) -> None:
    print(f"\r{changes.passages} passages, {changes.seconds:.0f} s", end="", file=sys.stderr, flush=True)


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def _in_a_process(step: str, arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pipeline", *arguments, "--step", step]
    out = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    result: dict[str, Any] = json.loads(out)
    print(f"\n{step}: {json.dumps(result)}", file=sys.stderr, flush=True)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=Path, help="JSON Lines with id, title and text (default: made up)")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--stores", default="bm25", help="some of bm25,faiss,milvus")
    parser.add_argument("--faiss", default="flat", help="flat, hnsw or ivf")
    parser.add_argument("--fusion", default="rrf", help="rrf or weighted")
    parser.add_argument("--weights", nargs="*", default=[], metavar="STORE=WEIGHT")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--depth", type=int, default=50, help="passages that are reranked")
    parser.add_argument("--folder", type=Path, default=_ROOT / "scratch" / "benchmarks" / "pipeline")
    parser.add_argument("--keep", action="store_true", help="measure the folder that is there; do not build")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--step", choices=list(_STEPS), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

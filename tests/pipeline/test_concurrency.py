"""Threads that search while others write, and processes that read while one writes."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from resift.pipeline import Pipeline
from tests.pipeline.fakes import WordStore, row

ROUNDS = 15
NAMES = [f"n{i}" for i in range(8)]


def version(number: int) -> list[dict[str, object]]:
    return [row(name, f"common word of version v{number}", version=number) for name in NAMES]


def whole(pipeline: Pipeline) -> int:
    """Search, and return the version that is seen: all documents are there, all of the same one."""
    hits = pipeline.search("common word", top_k=50, where={"version": {"ge": 0}})
    versions = {hit.fields["version"] for hit in hits}
    assert sorted(hit.document for hit in hits) == NAMES
    assert len(versions) == 1
    return int(versions.pop())


def run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_search_sees_all_of_a_change_or_nothing(tmp_path: Path) -> None:
    seen: list[int] = []
    failures: list[BaseException] = []
    done = threading.Event()
    with Pipeline.create(tmp_path / "p", own_stores={"words": WordStore()}, reranker=False) as pipeline:
        pipeline.add(version(0))

        def search() -> None:
            try:
                while not done.is_set():
                    seen.append(whole(pipeline))
            except BaseException as error:
                failures.append(error)

        def write() -> None:
            try:
                for number in range(1, ROUNDS):
                    pipeline.add(version(number))
                    if number % 5 == 0:
                        pipeline.compact()
            finally:
                done.set()

        run([*(threading.Thread(target=search) for _ in range(3)), threading.Thread(target=write)])
        assert failures == []
        assert whole(pipeline) == ROUNDS - 1
        assert len(set(seen)) > 1


READ = """
import sys
from resift.pipeline import Pipeline
from tests.pipeline.test_concurrency import whole
with Pipeline(sys.argv[1], writable=False, reranker=False) as pipeline:
    last = 0
    print("ready", flush=True)
    while True:
        line = sys.stdin.readline()
        now = whole(pipeline)
        assert now >= last
        last = now
        pipeline.refresh()
        if not line:
            break
    print(whole(pipeline))
"""


def test_readers_in_other_processes(tmp_path: Path) -> None:
    with Pipeline.create(tmp_path / "p", reranker=False) as pipeline:
        pipeline.add(version(0))
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READ, str(tmp_path / "p")],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for number in range(1, ROUNDS):
            pipeline.add(version(number))
            for reader in readers:  # they read and refresh while the next change is under way
                assert reader.stdin is not None
                reader.stdin.write("again\n")
                reader.stdin.flush()
        for reader in readers:
            answer, _ = reader.communicate()
            assert reader.returncode == 0
            assert answer == f"{ROUNDS - 1}\n"

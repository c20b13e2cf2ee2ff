"""The cache on disk: it keeps records, it stays within its bounds, and whatever happens to it, requests go on."""

import asyncio
import errno
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.errors import InputError
from resift.reranker import Reranker
from resift.scoring import PairLogit
from resift.server.cache import Keys, Known, ScoreCache, pack, unpack
from resift.server.disk_cache import FILE, DiskCache, connect
from resift.server.records import Work
from resift.types import Window
from tests.server.engines import running

PAIRS = [("how to boil an egg", f"document {i}") for i in range(40)]


def key(i: int) -> bytes:
    return b"%020d" % i


def value(i: int) -> bytes:
    return pack(Known(PairLogit(float(i), False, None), i))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    opened = DiskCache(tmp_path, 1 << 20)
    yield opened
    opened.close()


def test_what_is_put_is_there_after_a_restart(tmp_path: Path) -> None:
    items = {key(i): value(i) for i in range(3000)}
    first = DiskCache(tmp_path, 1 << 24)
    first.put_many(items.items())
    first.close()
    first.close()
    assert first.get_many([key(1)]) == {}
    second = DiskCache(tmp_path, 1 << 24)
    assert second.get_many([*items, b"x" * 20]) == items
    second.put_many([(key(1), value(2))])
    second.flush()
    assert second.get_many([key(1)]) == {key(1): value(2)}
    second.close()


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from resift.server.disk_cache import DiskCache
from tests.server.test_disk_cache import key, value
offset = int(sys.argv[2])
cache = DiskCache(Path(sys.argv[1]), 1 << 24)
for i in range(200):
    cache.put_many([(key(n), value(n)) for n in range(offset + i * 10, offset + i * 10 + 10)])
    cache.get_many([key(n) for n in range(0, 4000, 7)])
cache.flush()
print(cache.enabled, len(cache.get_many([key(n) for n in range(offset, offset + 2000)])))
cache.close()
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(offset)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        for offset in (0, 2000)
    ]
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert answers == [["True", "2000"]] * 2
    both = DiskCache(tmp_path, 1 << 24)
    assert both.get_many([key(i) for i in range(4000)]) == {key(i): value(i) for i in range(4000)}
    both.close()


def test_it_stays_within_its_bytes_and_forgets_what_was_not_used(tmp_path: Path) -> None:
    now = [0.0]
    cache = DiskCache(tmp_path, 400_000, clock=lambda: now[0])
    for i in range(200):
        now[0] += 4000
        cache.put_many([(key(n), value(n)) for n in range(i * 200, i * 200 + 200)])
        cache.flush()
        assert cache.get_many([key(0)]), i  # used in every hour, so it stays
    cache.flush()
    assert (tmp_path / FILE).stat().st_size < 500_000
    assert cache.get_many([key(39_999)]) and not cache.get_many([key(300)])
    cache.close()


class Broken:
    """A connection whose writes fail."""

    def __init__(self, real: sqlite3.Connection, error: Exception) -> None:
        self._real = real
        self._error = error

    def executemany(self, *_: Any) -> None:
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_full_disk_switches_it_off_once(tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    cache = DiskCache(tmp_path, 1 << 20, connect=lambda file: Broken(connect(file), error))  # type: ignore[arg-type,return-value]
    assert cache.enabled
    for i in range(3):
        cache.put_many([(key(i), value(i))])
        cache.flush()
    assert not cache.enabled and cache.get_many([key(0)]) == {}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "switched off" in caplog.text and str(error) in caplog.text
    cache.close()


def test_a_quota_of_pages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite's own error of a full database, as it comes from a full disk."""

    def small(file: Path) -> sqlite3.Connection:
        made = connect(file)
        made.execute("PRAGMA max_page_count=12")
        return made

    cache = DiskCache(tmp_path, 1 << 30, connect=small)
    for i in range(100):
        cache.put_many([(key(n), value(n)) for n in range(i * 100, i * 100 + 100)])
        cache.flush()
    assert not cache.enabled
    assert "full" in caplog.text and len(caplog.records) == 1
    cache.close()
    again = DiskCache(tmp_path, 1 << 30)
    assert again.get_many([key(0)]) == {key(0): value(0)}
    again.close()


def test_a_full_file_system(tmp_path: Path) -> None:
    """A real one of 300 kB, in a mount namespace of its own, where this system allows that."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace")
    program = """
import logging, sys
from pathlib import Path
from resift.server.disk_cache import DiskCache
from tests.server.test_disk_cache import key, value
logging.basicConfig(stream=sys.stdout)
for turn in range(2):
    cache = DiskCache(Path(sys.argv[1]), 1 << 30)
    print("kept", sum(cache.get_many([key(i)]) == {key(i): value(i)} for i in range(300)))
    for i in range(0, 20_000 if turn == 0 else 0, 100):
        cache.put_many([(key(n), value(n)) for n in range(i, i + 100)])
        cache.flush()
    print("enabled", cache.enabled)
    cache.close()
"""
    command = f'mount -t tmpfs -o size=300k tmpfs "{tmp_path}" && exec "{sys.executable}" -c "$0" "{tmp_path}"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, program],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert sum("switched off: database or disk is full" in line for line in lines) == 1
    assert [line for line in lines if ":" not in line] == ["kept 0", "enabled False", "kept 300", "enabled True"]


@pytest.mark.parametrize("damage", [b"this is not a database" * 500, b"SQLite format 3\x00" + bytes(5000)])
def test_a_broken_file(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(damage)
    cache = DiskCache(tmp_path, 1 << 20)
    assert not cache.enabled and len(caplog.records) == 1
    cache.put_many([(key(0), value(0))])
    cache.flush()
    assert cache.get_many([key(0)]) == {}
    cache.close()
    assert (tmp_path / FILE).read_bytes() == damage  # whoever put it there may want it


def test_somebody_elses_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("CREATE TABLE scores (name TEXT)")
    other.commit()
    other.close()
    cache = DiskCache(tmp_path, 1 << 20)
    assert not cache.enabled and "not a cache" in caplog.text
    cache.close()


def test_pages_that_break_while_it_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = DiskCache(tmp_path, 1 << 24)
    first.put_many([(key(i), value(i)) for i in range(5000)])
    first.close()
    file = tmp_path / FILE
    data = bytearray(file.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 4096] = os.urandom(4096)
    file.write_bytes(data)
    cache = DiskCache(tmp_path, 1 << 24)
    assert cache.get_many([key(i) for i in range(5000)]) == {}
    cache.put_many([(key(i), value(i)) for i in range(100)])
    cache.flush()
    assert not cache.enabled and len(caplog.records) == 1
    cache.close()


def test_a_bit_that_fell_over_is_not_a_score(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1 << 20)
    cache.put_many([(key(1), value(1)), (key(2), value(2))])
    cache.close()
    database = sqlite3.connect(tmp_path / FILE)
    stored = bytearray(database.execute("SELECT value FROM scores WHERE key = ?", (key(1),)).fetchone()[0])
    stored[0] ^= 4
    database.execute("UPDATE scores SET value = ? WHERE key = ?", (bytes(stored), key(1)))
    database.execute("INSERT INTO scores VALUES (?, ?, 0)", (key(3), b""))
    database.commit()
    database.close()
    cache = DiskCache(tmp_path, 1 << 20)
    assert cache.get_many([key(1), key(2), key(3)]) == {key(2): value(2)}
    assert cache.enabled
    cache.close()


def test_another_process_in_the_way_costs_only_the_batch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def hasty(file: Path) -> sqlite3.Connection:
        made = connect(file)
        made.execute("PRAGMA busy_timeout=0")
        return made

    cache = DiskCache(tmp_path, 1 << 20, connect=hasty)
    other = connect(tmp_path / FILE)
    other.execute("BEGIN IMMEDIATE")
    cache.put_many([(key(1), value(1))])
    cache.flush()
    other.execute("ROLLBACK")
    other.close()
    cache.put_many([(key(2), value(2))])
    cache.flush()
    assert cache.get_many([key(1), key(2)]) == {key(2): value(2)}
    assert cache.enabled and not caplog.records
    cache.close()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cache_folder"):
        DiskCache(tmp_path / "file" / "folder", 1 << 20)


def test_from_many_threads(cache: DiskCache) -> None:
    failures: list[object] = []

    def work(offset: int) -> None:
        for i in range(50):
            cache.put_many([(key(offset + i), value(offset + i))])
            found = cache.get_many([key(n) for n in range(400)])
            failures.extend(k for k, v in found.items() if v != value(int(k)))

    threads = [threading.Thread(target=work, args=(50 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.flush()
    assert not failures and len(cache.get_many([key(n) for n in range(400)])) == 400


RECORDS = st.builds(
    Known,
    st.builds(
        PairLogit,
        st.floats(width=32, allow_nan=False),
        st.booleans(),
        st.none()
        | st.builds(
            Window,
            index=st.integers(0, 2**32 - 1),
            count=st.integers(0, 2**32 - 1),
            start=st.integers(0, 2**32 - 1),
            end=st.integers(0, 2**32 - 1),
            score=st.floats(width=32, allow_nan=False),
        ),
    ),
    st.integers(0, 2**32 - 1),
)


@given(RECORDS)
def test_packed_and_unpacked(known: Known) -> None:
    assert unpack(pack(known)) == known


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60), RECORDS), max_size=120), st.integers(0, 6000))
def test_memory_holds_the_last_used_within_its_bytes(items: list[tuple[int, Known]], most: int) -> None:
    cache = ScoreCache(most)
    last: dict[int, Known] = {}
    for i, known in items:
        cache.put_many([(key(i), known)])
        last.pop(i, None)
        last[i] = known
        assert cache.size <= most
    kept = list(last)[len(last) - len(cache) :]
    assert cache.get_many([key(i) for i in range(61)]) == {key(i): last[i] for i in kept}


def test_a_look_keeps_a_record_in_memory() -> None:
    known = Known(PairLogit(1.0, False, None), 1)
    cache = ScoreCache(3000)
    cache.put_many([(key(0), known)])
    for i in range(1, 50):
        cache.put_many([(key(i), known)])
        assert cache.get_many([key(0)])
    assert len(cache) < 20 and not cache.get_many([key(1)])


@given(st.text(), st.text(), st.text(), st.text())
def test_keys_tell_texts_apart(a: str, b: str, c: str, d: str) -> None:
    def made(policy: bytes, query: str, document: str) -> bytes:
        return Keys(policy).query(query).document(document)

    scrubbed = [text.encode("utf-8", "replace").decode() for text in (a, b, c, d)]
    one, two = tuple(scrubbed[:2]), tuple(scrubbed[2:])
    assert (made(b"p", *one) == made(b"p", *two)) is (one == two)
    assert made(b"p", *one) != made(b"q", *one)


def test_a_service_finds_its_scores_after_a_restart(checkpoint: Path, tmp_path: Path) -> None:
    async def scores(batches: bool) -> list[float]:
        cache = ScoreCache(1000, store=DiskCache(tmp_path, 1 << 20))
        async with running({"tiny": checkpoint}, cache=cache) as (service, engine, _):
            outcome = await service.run(Work(pairs=PAIRS))
            assert bool(engine.batches) is batches
            return [item.score for item in outcome.scored]

    with Reranker(checkpoint, truncation="longest_first", scores="sigmoid") as reranker:
        expected = reranker.score(PAIRS).tolist()
    assert asyncio.run(scores(True)) == asyncio.run(scores(False)) == expected


def test_requests_go_on_when_the_cache_fails(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    with Reranker(checkpoint, truncation="longest_first", scores="sigmoid") as reranker:
        expected = reranker.score(PAIRS).tolist()

    async def answers() -> None:
        store = DiskCache(tmp_path, 1 << 20, connect=lambda file: Broken(connect(file), full))  # type: ignore[arg-type,return-value]
        async with running({"tiny": checkpoint}, cache=ScoreCache(0, store=store)) as (service, _, _):
            for _ in range(3):
                outcome = await service.run(Work(pairs=PAIRS))
                assert [item.score for item in outcome.scored] == expected
                store.flush()
            assert not store.enabled

    with caplog.at_level(logging.WARNING):
        asyncio.run(answers())
    assert len([record for record in caplog.records if "switched off" in record.message]) == 1

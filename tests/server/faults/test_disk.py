"""The disk of the score cache is full or its file is broken: it is switched off with a warning; scores stay right."""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.faults.live import Crowd, assert_right, serving, texts

pytestmark = pytest.mark.timeout(240)
ROOM = 128 * 1024


def log(server) -> str:
    return Path(server.running.log).read_text()


def fill(server) -> None:
    """Score more than there is room for, and the same texts twice: from the cache, if it has them."""
    for seed in range(5):
        query, documents = f"disk {seed}", texts(800, seed=seed, words=2)
        expected = server.expected(query, documents)
        for _ in range(2):
            status, body = server.rank(query, documents, return_documents=False)
            assert status == 200
            assert_right(body, expected)


def test_no_file_may_grow(engine, tmp_path) -> None:
    """The limit on file sizes stands in for a full disk: writes fail, for this process alone, and no root is needed."""
    with serving(engine, tmp_path, "--cache-folder", str(tmp_path / "cache")) as server:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
        fill(server)
        server.wait_for(lambda: "is switched off" in log(server), "a warning")
        server.assert_well()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small disk needs root")
def test_a_full_disk(engine, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        with serving(engine, tmp_path, "--cache-folder", str(disk)) as server:
            fill(server)
            server.wait_for(lambda: "is switched off" in log(server), "a warning")
            server.assert_well()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_broken_file_does_not_keep_the_server_from_starting(engine, tmp_path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "scores.sqlite3").write_bytes(os.urandom(100_000))
    with serving(engine, tmp_path, "--cache-folder", str(folder)) as server:
        assert "is switched off" in log(server)
        server.assert_well()


def test_a_file_that_is_damaged_while_it_is_used(engine, tmp_path) -> None:
    folder = tmp_path / "cache"
    with serving(engine, tmp_path, "--cache-folder", str(folder)) as server:
        query, documents = "damage", texts(1000, seed=5, words=4)
        expected = server.expected(query, documents)
        assert_right(server.rank(query, documents)[1], expected)
        server.wait_for(lambda: sum(file.stat().st_size for file in folder.iterdir()) > ROOM // 2, "records on disk")
        for file in folder.iterdir():
            size = file.stat().st_size
            with file.open("r+b") as damaged:
                damaged.seek(size // 3)
                damaged.write(os.urandom(size // 3))
        for _ in range(2):
            status, body = server.rank(query, documents)
            assert status == 200
            assert_right(body, expected)
        server.assert_well()


def test_killed_with_its_cache_and_started_again(engine, tmp_path) -> None:
    """kill -9 of the whole server while it writes: the next one starts on the same file, and its scores are right."""
    options = ("--cache-folder", str(tmp_path / "cache"))
    for _ in range(2):
        with serving(engine, tmp_path, *options) as server:
            with Crowd(server, clients=4, documents=100) as crowd:
                crowd.wait_for(20)
            assert crowd.failures == [] and set(crowd.statuses) == {200}
            server.running.process.kill()
            server.running.process.wait()

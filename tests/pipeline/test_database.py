"""The SQLite file: transactions, connections, and files that are none."""

import errno
import os
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from resift.errors import EngineClosed, FolderBusy, InputError, StoreDamaged
from resift.pipeline.database import FILE, Database, translated


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / FILE, writable=True, create=True)


def sequence(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute("SELECT sequence FROM state").fetchone()[0]


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    with database:
        with database.transaction() as connection:
            connection.execute("UPDATE state SET sequence = 1")
        with pytest.raises(KeyboardInterrupt), database.transaction() as connection:
            connection.execute("UPDATE state SET sequence = 2")
            raise KeyboardInterrupt
        assert sequence(database) == 1
        with database.transaction() as connection:
            connection.execute("UPDATE state SET sequence = 3")
            assert sequence(database) == 1  # readers neither wait nor see it
        assert sequence(database) == 3


def test_connections_are_used_again(database: Database) -> None:
    with database:
        with database.reading() as first:
            pass
        with database.reading() as second:
            assert second is first
            with database.reading() as third:
                assert third is not first


def test_threads_have_their_own(database: Database) -> None:
    both = threading.Barrier(2, timeout=30)
    used: list[sqlite3.Connection] = []

    def read() -> None:
        with database.reading() as connection:
            both.wait()
            used.append(connection)

    with database:
        other = threading.Thread(target=read)
        other.start()
        read()
        other.join()
    assert used[0] is not used[1]


def test_closed_while_it_is_read(database: Database) -> None:
    with database.reading() as connection:
        database.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
    with pytest.raises(EngineClosed), database.reading():
        pass
    with pytest.raises(EngineClosed):
        _ = database.writer


def test_one_file_is_left(database: Database, tmp_path: Path) -> None:
    with database, database.transaction() as connection:
        connection.execute("UPDATE state SET sequence = 7")
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that may not be written")
def test_a_folder_that_may_not_be_written(database: Database, tmp_path: Path) -> None:
    database.close()
    tmp_path.chmod(0o555)
    try:
        with Database(tmp_path / FILE, writable=False) as reader:
            assert sequence(reader) == 0
    finally:
        tmp_path.chmod(0o755)


def test_a_missing_file(tmp_path: Path) -> None:
    for writable in (False, True):
        with pytest.raises(StoreDamaged, match="not there"):
            Database(tmp_path / FILE, writable=writable)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writable", [False, True])
def test_a_file_that_is_no_database(tmp_path: Path, writable: bool) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreDamaged, match="backup"):
        Database(tmp_path / FILE, writable=writable)


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreDamaged, match="no database of a pipeline"):
        Database(tmp_path / FILE, writable=False)


def test_a_newer_version(database: Database, tmp_path: Path) -> None:
    with database:
        database.writer.execute("PRAGMA user_version=2")
    with pytest.raises(InputError, match="version 2, this version of resift reads 1"):
        Database(tmp_path / FILE, writable=False)


def test_a_full_database_is_a_full_disk(database: Database, tmp_path: Path) -> None:
    with database:
        pages = database.writer.execute("PRAGMA page_count").fetchone()[0]
        database.writer.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OSError, match="No space left") as raised, database.transaction() as connection:
            connection.execute("CREATE TABLE large (x)")
            connection.execute("INSERT INTO large VALUES (zeroblob(1000000))")
        assert raised.value.errno == errno.ENOSPC
        assert sequence(database) == 0


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(sqlite3.OperationalError), translated(Path("x")):
        raise sqlite3.OperationalError("no such table")


def test_locked_by_another_program(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    with database:
        database.writer.execute("PRAGMA busy_timeout=1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FolderBusy, match="another program"), database.transaction():
            pass
        other.close()


def test_why_it_cannot_be_opened(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.mkdir()

    def refused() -> None:
        with translated(file), sqlite3.connect(file) as connection:
            connection.execute("SELECT 1 FROM sqlite_master")

    with pytest.raises(IsADirectoryError):
        refused()

"""The SQLite file that holds the truth of a pipeline: its tables, and connections to it.

One connection writes, under the pipeline's lock. Those that read are pooled: each is used by one thread at a time, and
all are closed with the pool. In WAL mode readers, in this process and others, neither wait for the writer nor stop it.
"""

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resift.closing import Closing
from resift.errors import EngineClosed, FolderBusy, InputError, StoreDamaged

FILE = "documents.sqlite3"
_APPLICATION = 0x72736670  # 'rsfp'
_SCHEMA = 1
_BUSY_SECONDS = 30.0
_TABLES = """
CREATE TABLE documents (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  title TEXT,
  fields TEXT NOT NULL,
  source TEXT NOT NULL,
  digest TEXT NOT NULL,
  added INTEGER NOT NULL,
  deleted INTEGER
);
CREATE UNIQUE INDEX documents_alive ON documents (id) WHERE deleted IS NULL;
CREATE INDEX documents_added ON documents (added);
CREATE INDEX documents_deleted ON documents (deleted) WHERE deleted IS NOT NULL;
CREATE TABLE passages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  document INTEGER NOT NULL REFERENCES documents (row),
  place INTEGER NOT NULL,
  text TEXT NOT NULL,
  headings TEXT NOT NULL,
  page INTEGER
);
CREATE UNIQUE INDEX passages_of ON passages (document, place);
CREATE TABLE state (sequence INTEGER NOT NULL);
INSERT INTO state VALUES (0);
"""


class Database(Closing):
    """The file, opened; raises StoreDamaged where it is none of a pipeline."""

    def __init__(self, file: Path, *, writable: bool, create: bool = False) -> None:
        """Open it; `create` makes an empty one where there is none."""
        self.file = file
        self._closed = False
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        if not create and not file.is_file():
            raise StoreDamaged(f"{file} is not there: it holds the documents", hint="restore it from a backup")
        self._uri = _uri(file, writable)
        try:
            with translated(file):
                if writable:
                    self._writer = self._connect("rwc" if create else "rw")
                    _prepare(self._writer)
                with self.reading() as connection:
                    _check(connection, file)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read with; each statement sees what is committed when it begins."""
        with self._lock:
            if self._closed:
                raise EngineClosed("the pipeline was closed and is used again")
            connection = self._free.pop() if self._free else None
        if connection is None:
            connection = self._connect("ro")
        try:
            with translated(self.file):
                yield connection
        finally:
            with self._lock:
                keep = not self._closed
                if keep:
                    self._free.append(connection)
            if not keep:
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection that writes, in a transaction: at the end of the block all is durable, or nothing."""
        connection = self.writer
        with translated(self.file):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @property
    def writer(self) -> sqlite3.Connection:
        """The connection that writes, for its one user at a time."""
        if self._writer is None:
            raise EngineClosed("the pipeline was closed and is used again")
        return self._writer

    def close(self) -> None:
        """Close all connections; a writer leaves one file, which can be copied and read where nothing is written."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error:
                pass  # a full disk: what is in the log is read from there the next time
            finally:
                writer.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = self._uri if "immutable" in self._uri else f"{self._uri}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA cache_size=-16000")
        return connection


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: a full disk into OSError, a broken file into StoreDamaged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from error
        if primary == sqlite3.SQLITE_IOERR:
            raise OSError(errno.EIO, f"{os.strerror(errno.EIO)} ({error})", str(file)) from error
        if primary == sqlite3.SQLITE_CANTOPEN:
            file.open("rb").close()  # SQLite does not say why: too many open files are no missing right
        if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise OSError(errno.EACCES, f"{os.strerror(errno.EACCES)} ({error})", str(file)) from error
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise FolderBusy(f"{file} is locked by another program", hint="wait for it, or end it") from error
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamaged(f"{file}: {error}", hint="restore it from a backup of the folder") from error
        raise


def _uri(file: Path, writable: bool) -> str:
    """Return the file's address; where nothing can be written and no log waits, SQLite may not look for one."""
    uri = file.absolute().as_uri()
    log = file.with_name(f"{file.name}-wal")
    if writable or os.access(file.parent, os.W_OK) or (log.exists() and log.stat().st_size):
        return uri
    return f"{uri}?immutable=1"


def _prepare(writer: sqlite3.Connection) -> None:
    if writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        # One transaction: a crash leaves an empty file, or a whole one.
        pragmas = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_SCHEMA};"
        writer.execute("PRAGMA journal_mode=WAL")
        writer.executescript(f"BEGIN IMMEDIATE; {_TABLES} {pragmas} COMMIT;")
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA synchronous=FULL")
    writer.execute("PRAGMA temp_store=FILE")
    writer.execute(f"PRAGMA journal_size_limit={64 << 20}")


def _check(connection: sqlite3.Connection, file: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION:
        raise StoreDamaged(f"{file} is no database of a pipeline", hint="restore it from a backup of the folder")
    if version > _SCHEMA:
        raise InputError(
            f"{file} has version {version}, this version of resift reads {_SCHEMA}", hint="install a newer resift"
        )

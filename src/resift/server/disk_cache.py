"""Scores on disk: an SQLite database that several processes may share, bounded, pruned by last use.

A cache may fail, but never a request: what cannot be read is not there, what cannot be written is dropped. When the
disk is full or the file is broken, it warns once and is switched off until the server is started again.
"""

import logging
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from resift.errors import InputError

FILE = "scores.sqlite3"
_SCHEMA = 1
_APPLICATION = 0x72736674  # 'rsft'
_BUSY_SECONDS = 2.0
_AT_ONCE = 500
"""Keys of one query: fewer than SQLite's lowest limit of variables, 999."""
_BATCH = 5000
"""Records of one transaction."""
_WAITING = 200_000
"""Records that may wait to be written; more are dropped."""
_FRESH = 3600
"""Seconds: a record's last use is written down again when it is older than this."""
_FULL = 0.9
"""Of the bytes that are allowed: from here on the least recently used records go."""
_KEEP = 0.7
"""Of the records that are there, when they are pruned."""

_logger = logging.getLogger("resift.server")

Connect: TypeAlias = Callable[[Path], sqlite3.Connection]


def connect(file: Path) -> sqlite3.Connection:
    """Open the database; its statements are for one thread at a time."""
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


class DiskCache:
    """Packed records by key, in `folder`, of at most `max_bytes`. Safe from many threads and processes.

    Args:
        folder: made if it is not there. Raises InputError when it cannot be.
        max_bytes: of the database's file.
        connect: opens the database, for tests.
        clock: seconds since 1970, for tests.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        connect: Connect = connect,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache folder {folder} cannot be made: {error.strerror}", hint="give another cache_folder"
            ) from error
        self._file = folder / FILE
        self._max_bytes = max_bytes
        self._clock = clock
        self._off = threading.Event()
        self._reading = threading.Lock()
        self._work: queue.SimpleQueue[list[tuple[bytes, bytes | None]] | threading.Event | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._waiting = 0
        try:
            self._writer = connect(self._file)
            self._reader = connect(self._file)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            self._switch_off(error)
        self._thread = threading.Thread(target=self._write, name="resift-cache", daemon=True)
        self._thread.start()

    @property
    def enabled(self) -> bool:
        """Whether it is still switched on."""
        return not self._off.is_set()

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those records that are there and whole."""
        found: dict[bytes, bytes] = {}
        if self._off.is_set():
            return found
        old = self._now() - _FRESH
        stale: list[tuple[bytes, bytes | None]] = []
        try:
            with self._reading:
                for key, value, used in self._select(keys):
                    record = _checked(key, value)
                    if record is None:
                        continue
                    found[key] = record
                    if used < old:
                        stale.append((key, None))
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        self._put(stale)
        return found

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep records, some time later."""
        self._put([(key, value) for key, value in items])

    def flush(self) -> None:
        """Wait until all that was put before is written or dropped."""
        done = threading.Event()
        self._work.put(done)
        done.wait()

    def close(self) -> None:
        """Write what waits, and close the file. A second call does nothing."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()

    def _put(self, items: list[tuple[bytes, bytes | None]]) -> None:
        """Queue records, and those without a value, whose last use is now."""
        if not items or self._off.is_set():
            return
        with self._counting:
            if self._waiting >= _WAITING:
                return
            self._waiting += len(items)
        self._work.put(items)

    def _select(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, bytes, int]]:
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._reader.execute(f"SELECT key, value, used FROM scores WHERE key IN ({marks})", some)

    def _prepare(self) -> None:
        """Make the table, or check that it is ours. Raises sqlite3.Error."""
        writer = self._writer
        application = writer.execute("PRAGMA application_id").fetchone()[0]
        tables = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if tables and (application, version) != (_APPLICATION, _SCHEMA):
            raise sqlite3.DatabaseError("it is not a cache of this version of resift")
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA synchronous=NORMAL")
        writer.execute(f"PRAGMA journal_size_limit={16 << 20}")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(
            "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL) "
            "WITHOUT ROWID"
        )
        writer.execute("CREATE INDEX IF NOT EXISTS scores_used ON scores (used)")
        writer.execute(f"PRAGMA application_id={_APPLICATION}")
        writer.execute(f"PRAGMA user_version={_SCHEMA}")
        writer.execute("COMMIT")

    # The writer's thread

    def _write(self) -> None:
        """Write what comes, all that waits in one transaction."""
        last = False
        while not last:
            items: list[tuple[bytes, bytes | None]] = []
            told: list[threading.Event] = []
            message = self._work.get()
            while True:
                if message is None:
                    last = True
                elif isinstance(message, threading.Event):
                    told.append(message)
                else:
                    items += message
                    with self._counting:
                        self._waiting -= len(message)
                if last or told or len(items) >= _BATCH or self._work.empty():
                    break
                message = self._work.get()
            if items and not self._off.is_set():
                self._store(items)
            for event in told:
                event.set()
        self._close()

    def _store(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        now = self._now()
        writer = self._writer
        try:
            self._prune()
            writer.execute("BEGIN IMMEDIATE")
            writer.executemany(
                "INSERT OR REPLACE INTO scores (key, value, used) VALUES (?, ?, ?)",
                [(key, _sealed(key, value), now) for key, value in items if value is not None],
            )
            writer.executemany(
                "UPDATE scores SET used = ? WHERE key = ?", [(now, key) for key, value in items if value is None]
            )
            writer.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            self._roll_back()

    def _prune(self) -> None:
        """Delete the least recently used records when the file is nearly as large as it may be.

        The space is used again: the file does not shrink, and does not grow either.
        """
        pages, free, size = (
            self._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size < self._max_bytes * _FULL:
            return
        count = self._writer.execute("SELECT count(*) FROM scores").fetchone()[0]
        self._writer.execute(
            "DELETE FROM scores WHERE key IN (SELECT key FROM scores ORDER BY used LIMIT ?)",
            (count - int(count * _KEEP),),
        )

    def _roll_back(self) -> None:
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            self._switch_off(error)

    def _close(self) -> None:
        self._off.set()
        for name in ("_reader", "_writer"):
            connection = getattr(self, name, None)
            if connection is None:
                continue
            try:
                with self._reading:
                    connection.close()
            except (sqlite3.Error, OSError) as error:
                _logger.warning("the score cache %s was not closed well: %s", self._file, error)

    def _failed(self, error: Exception) -> None:
        """Drop what failed; switch off unless another process was merely in the way."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            self._switch_off(error)

    def _switch_off(self, error: Exception) -> None:
        if not self._off.is_set():
            self._off.set()
            _logger.warning(
                "the score cache %s is switched off: %s (make room, or delete the file, and start again)",
                self._file,
                error,
            )

    def _now(self) -> int:
        return int(self._clock())


def _sealed(key: bytes, value: bytes) -> bytes:
    """Return a record with its checksum: a database does not notice a bit that fell over."""
    return value + zlib.crc32(key + value).to_bytes(4, "little")


def _checked(key: bytes, stored: bytes) -> bytes | None:
    """Return the record without its checksum; None when it is not what was written."""
    value = stored[:-4]
    return value if stored == _sealed(key, value) else None

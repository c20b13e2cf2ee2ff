"""The truth of a pipeline: its documents and their passages, with the change that brought and the one that took them.

Changes are numbered. A document is never changed: another content is another row, and the old one is marked with the
number of the change that took it. So what a search sees is one number: all that was added up to it and not deleted by
then. A passage's id is never used again.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resift.documents import Passage
from resift.documents.rows import clean
from resift.pipeline.database import Database
from resift.pipeline.filters import Where, compiled
from resift.pipeline.records import StoredDocument
from resift.types import Int64

_SEEN = "+d.added <= ? AND (d.deleted IS NULL OR d.deleted > ?)"
"""Subtle: the plus keeps SQLite from the index of `added`, which nearly all rows meet: reading by it is slow."""
_PASSAGE = "p.id, d.id, p.place, p.text, p.headings, d.title, p.page"
_LISTED = "(SELECT value FROM json_each(?))"
_AT_ONCE = 1000
_LAST = 2**62
"""Above every place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that is to be written, cut into its passages."""

    id: str
    title: str | None
    fields: str
    source: str
    digest: str
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class Known:
    """A document that is there: the digest of its content, and the change that added it."""

    digest: str
    added: int


@dataclass(frozen=True, slots=True)
class Row:
    """A passage as it is kept."""

    id: int
    document: int
    passage: Passage
    fields: str
    source: str


class Truth:
    """Reads and writes of the database, by what they mean; who may call what when is `Indexing`'s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def sequence(self) -> int:
        """The number of the last change; 0 before the first."""
        with self._database.reading() as connection:
            return int(connection.execute("SELECT sequence FROM state").fetchone()[0])

    # Writing

    def commit(self, entries: Sequence[Entry], gone: Iterable[str] = ()) -> int:
        """Write documents, in the place of those of the same ids, and take others away, all or nothing.

        Returns the number of the change.
        """
        with self._database.transaction() as connection:
            number = int(connection.execute("SELECT sequence FROM state").fetchone()[0]) + 1
            connection.execute("UPDATE state SET sequence = ?", [number])
            connection.executemany(
                "UPDATE documents SET deleted = ? WHERE id = ? AND deleted IS NULL",
                [(number, name) for name in (*(entry.id for entry in entries), *gone)],
            )
            for entry in entries:
                _insert(connection, entry, number)
        return number

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Return which of the ids are there now."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT id, digest, added FROM documents WHERE deleted IS NULL AND id IN {_LISTED}",
                [json.dumps([clean(name) for name in ids], ensure_ascii=False)],
            )
            return {name: Known(digest, added) for name, digest, added in rows}

    def ids(self, where: Where | None = None) -> Iterator[list[str]]:
        """Give the ids of all documents that are there now, some at a time."""
        condition, values = compiled(where) if where is not None else ("1", [])
        last = ""
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    f"SELECT d.id FROM documents d WHERE d.deleted IS NULL AND d.id > ? AND ({condition}) "
                    "ORDER BY d.id LIMIT ?",
                    [last, *values, _AT_ONCE],
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [name for (name,) in rows]

    def purge(self, up_to: int) -> int:
        """Forget what was deleted by the change `up_to` or before; returns how many passages that were."""
        dead = "(SELECT row FROM documents WHERE deleted <= ?)"
        with self._database.transaction() as connection:
            count = connection.execute(f"DELETE FROM passages WHERE document IN {dead}", [up_to]).rowcount
            connection.execute("DELETE FROM documents WHERE deleted <= ?", [up_to])
        return count

    def shrink(self) -> None:
        """Give unused space back to the disk; as much as the file has is needed for it."""
        self._database.writer.execute("VACUUM")
        self._database.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # What stores have to catch up with

    def arrived(self, after: int, *, beyond: int, most: int) -> list[tuple[int, Passage]]:
        """Return passages, with their ids, of documents that were added after a change and are there now.

        At most `most` of ids above `beyond`, in the order of ids, which is that of changes.
        """
        with self._database.reading() as connection:
            first = connection.execute(
                "SELECT p.id FROM passages p WHERE p.document >= "
                "(SELECT row FROM documents WHERE added > ? ORDER BY added, row LIMIT 1) "
                "ORDER BY p.document, p.place LIMIT 1",
                [after],
            ).fetchone()
            if first is None:
                return []
            rows = connection.execute(
                f"SELECT {_PASSAGE} FROM passages p JOIN documents d ON d.row = p.document "
                "WHERE p.id >= ? AND p.id > ? AND d.deleted IS NULL ORDER BY p.id LIMIT ?",
                [first[0], beyond, most],
            )
            return [(row[0], _passage(row)) for row in rows]

    def departed(self, after: int) -> Int64:
        """Return the ids of passages of documents that were deleted after a change, int64 [n], ascending."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT p.id FROM documents d JOIN passages p ON p.document = d.row WHERE d.deleted > ?", [after]
            )
            return np.sort(np.fromiter((row[0] for row in rows), np.int64))

    # What searches see

    def rows(self, ids: Sequence[int], *, at: int) -> dict[int, Row]:
        """Return the passages of these ids that are seen at a change."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT {_PASSAGE}, d.row, d.fields, d.source FROM passages p JOIN documents d ON d.row = p.document "
                f"WHERE p.id IN {_LISTED} AND {_SEEN}",
                [json.dumps(list(ids)), at, at],
            )
            return {row[0]: Row(row[0], row[7], _passage(row), row[8], row[9]) for row in found}

    def allowed(self, where: Where, *, at: int) -> Int64:
        """Return the ids of all passages of documents that meet a condition, int64 [n], ascending."""
        condition, values = compiled(where)
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT p.id FROM documents d JOIN passages p ON p.document = d.row WHERE {_SEEN} AND ({condition})",
                [at, at, *values],
            )
            return np.sort(np.fromiter((row[0] for row in rows), np.int64))

    def neighbours(self, document: int, first: int, last: int) -> list[Passage]:
        """Return the passages of a document's row from one place to another, both included."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_PASSAGE} FROM passages p JOIN documents d ON d.row = p.document "
                "WHERE p.document = ? AND p.place BETWEEN ? AND ? ORDER BY p.place",
                [document, max(first, 0), min(last, _LAST)],
            )
            return [_passage(row) for row in rows]

    def document(self, name: str, *, at: int) -> StoredDocument | None:
        """Return the document that is seen under an id at a change."""
        # Two questions, for each of which there is an index: it is there now, or it went after that change.
        found = "SELECT row, title, fields, source, digest FROM documents WHERE id = ? AND added <= ? AND "
        with self._database.reading() as connection:
            row = connection.execute(found + "deleted IS NULL", [name, at]).fetchone()
            if row is None:
                row = connection.execute(found + "deleted > ?", [name, at, at]).fetchone()
        if row is None:
            return None
        passages = self.neighbours(row[0], 0, _LAST)
        return StoredDocument(name, row[1], read_fields(row[2]), row[3], row[4], passages)

    def count(self, *, at: int) -> int:
        """Return how many documents are seen at a change."""
        with self._database.reading() as connection:
            now = connection.execute("SELECT count(*) FROM documents WHERE deleted IS NULL").fetchone()[0]
            newer = connection.execute("SELECT count(*) FROM documents WHERE added > ? AND deleted IS NULL", [at])
            gone = connection.execute("SELECT count(*) FROM documents WHERE deleted > ? AND added <= ?", [at, at])
            return int(now - newer.fetchone()[0] + gone.fetchone()[0])

    def sizes(self, *, at: int) -> tuple[int, int]:
        """Return how many documents and passages are seen at a change."""
        with self._database.reading() as connection:
            documents = self.count(at=at)
            passages = connection.execute(
                f"SELECT count(*) FROM documents d JOIN passages p ON p.document = d.row WHERE {_SEEN}", [at, at]
            ).fetchone()[0]
        return int(documents), int(passages)

    def waste(self) -> int:
        """Return how many passages are of documents that were deleted."""
        with self._database.reading() as connection:
            return int(
                connection.execute(
                    "SELECT count(*) FROM documents d JOIN passages p ON p.document = d.row WHERE d.deleted IS NOT NULL"
                ).fetchone()[0]
            )


def read_fields(fields: str) -> Mapping[str, Any]:
    """Return a document's fields from what the database keeps."""
    return json.loads(fields)  # type: ignore[no-any-return]


def _insert(connection: sqlite3.Connection, entry: Entry, number: int) -> None:
    row = connection.execute(
        "INSERT INTO documents (id, title, fields, source, digest, added) VALUES (?, ?, ?, ?, ?, ?)",
        [entry.id, entry.title, entry.fields, entry.source, entry.digest, number],
    ).lastrowid
    connection.executemany(
        "INSERT INTO passages (document, place, text, headings, page) VALUES (?, ?, ?, ?, ?)",
        [(row, one.place, one.text, json.dumps(one.headings, ensure_ascii=False), one.page) for one in entry.passages],
    )


def _passage(row: tuple[Any, ...]) -> Passage:
    _, document, place, text, headings, title, page = row[:7]
    return Passage(document, place, text, tuple(json.loads(headings)), title, page)

"""Sources become documents: files of rows, files that are one document, and folders of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from resift.documents.encodings import check_encoding
from resift.documents.files import ENDINGS, is_document, read_file
from resift.documents.folders import OnError, OnSkip, walk
from resift.documents.records import Document
from resift.documents.rows import Columns, as_document
from resift.documents.tables import KINDS, read_table, table_kind
from resift.errors import InputError


def read_documents(
    sources: str | Path | Iterable[str | Path],
    *,
    columns: Columns | None = None,
    encoding: str | None = None,
    on_error: OnError | None = None,
    on_skip: OnSkip | None = None,
) -> Iterator[Document]:
    r"""Yield the documents of files and folders, one at a time in memory.

    Files of rows (.jsonl, .ndjson, .json, .csv and .tsv, also as .gz, .bz2 or .xz) give one for each row. In folders
    .json is left out: there it is settings more often than texts. A row without an id has that of its file and its
    line: `shop.csv#12`.

    Args:
        sources: files and folders.
        columns: which fields of a row are its id, title and text.
        encoding: of all text files; None finds it out, file by file.
        on_error: is told of a file or row that cannot be read, which is left out then; without it the error is raised.
        on_skip: is told (path, reason) of what is left out: `hidden`, `ending .png`, `empty`, `link`.

    Raises InputError for a source that is not there and, whatever `on_error`, for two documents with one id.

    >>> _ = Path("notes.md").write_text("# Tea\n\n## Green\n\nSteep it for a minute.")
    >>> [(document.id, document.title, document.blocks[0].headings) for document in read_documents("notes.md")]
    [('notes.md', 'Tea', ('Green',))]
    """
    listed = [Path(sources)] if isinstance(sources, str | Path) else [Path(source) for source in sources]
    check_encoding(encoding)
    for source in listed:
        if not source.exists():
            raise InputError(f"{source}: no such file or folder")
        if not source.is_dir() and not is_document(source) and table_kind(source) is None:
            raise InputError(
                f"{source}: files with the ending {source.suffix!r} are not read",
                hint=f"known are {', '.join((*ENDINGS, *KINDS))}",
            )
    reading = _Reading(
        columns if columns is not None else Columns(),
        encoding,
        on_error if on_error is not None else _raise,
        on_skip if on_skip is not None else _ignore,
    )
    return reading.run(listed)


@dataclass(slots=True)
class _Reading:
    """One reading of several sources, and what was seen so far."""

    columns: Columns
    encoding: str | None
    on_error: OnError
    on_skip: OnSkip
    files: list[str] = field(default_factory=list)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Where each id was seen: the number of the file, and the line. Its hash stands for it: there may be millions."""

    def run(self, sources: list[Path]) -> Iterator[Document]:
        for source in sources:
            for path, id in self._files(source):
                self.files.append(str(path))
                rows = table_kind(path)
                found = self._rows(path, id, rows) if rows is not None else self._file(path, id)
                for document, line in found:
                    yield self._unique(document, line, source)

    def _files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """Yield (path, id) of the files of a source."""
        if not source.is_dir():
            yield source, source.name
            return
        for path, id in walk(source, on_skip=self.on_skip, on_error=self.on_error):
            if is_document(path) or table_kind(path) not in {None, "json"}:
                yield path, id
            else:
                self.on_skip(str(path), f"ending {path.suffix.lower()}" if path.suffix else "no ending")

    def _file(self, path: Path, id: str) -> Iterator[tuple[Document, int]]:
        try:
            document = read_file(path, id=id, encoding=self.encoding)
        except InputError as error:
            self.on_error(error)
            return
        if document.blocks:
            yield document, 0
        else:
            self.on_skip(str(path), "empty")

    def _rows(self, path: Path, id: str, kind: str) -> Iterator[tuple[Document, int]]:
        def bad(line: int, problem: str) -> None:
            self.on_error(InputError(f"{path}, line {line}: {problem}"))

        rows = read_table(path, str(path), kind=kind, bad=bad, encoding=self.encoding)
        try:
            for row in rows:
                document = self._row(row.value, f"{id}#{row.line}", f"{path}:{row.line}")
                if document is not None:
                    yield document, row.line
        except InputError as error:
            self.on_error(error)

    def _row(self, value: object, id: str, source: str) -> Document | None:
        """Return a row as a document, under the id that stands for it where it has none."""
        try:
            document = as_document(value, columns=self.columns, source=source)  # type: ignore[arg-type]
        except InputError as error:
            self.on_error(error)
            return None
        if not document.blocks and document.title is None:
            self.on_skip(source, "empty")
            return None
        return replace(document, id=id) if document.id == document.digest else document

    def _unique(self, document: Document, line: int, source: Path) -> Document:
        """Return the document, under a longer id where it is a file whose id another source has taken."""
        if line == 0 and hash(document.id) in self.places:
            folder = (source if source.is_dir() else source.parent).resolve().name
            document = replace(document, id=f"{folder}/{document.id}")
        key = hash(document.id)
        if key in self.places:
            number, before = self.places[key]
            other = f"{self.files[number]}:{before}" if before else self.files[number]
            raise InputError(
                f"the id {document.id!r} is in {other} and in {document.source}",
                hint="give each document an id of its own, or name another column for it",
            )
        self.places[key] = (len(self.files) - 1, line)
        return document


def _raise(error: InputError) -> None:
    raise error


def _ignore(_place: str, _reason: str) -> None:
    pass

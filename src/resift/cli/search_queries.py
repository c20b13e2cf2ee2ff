"""The queries of a file, each with its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from resift.cli.reading import BadLines, choose_format, read_rows
from resift.errors import InputError

_IDS = ("id", "_id", "query_id", "query-id", "qid")
_TEXTS = ("query", "text", "question")


@dataclass(frozen=True, slots=True)
class Query:
    """A query; `id` is its own name, or its line in the file."""

    id: str
    text: str


def read_queries(source: str, *, bad: BadLines, kind: str | None = None) -> list[Query]:
    """Return the queries of a file, or of standard input, where each line is one.

    .jsonl: texts, or objects with `query` or `text` and perhaps an `id`; .csv: a header with these names; .tsv: such a
    header, or id and text on each line. Raises InputError for two queries of one id.
    """
    kind = choose_format(source, kind, stdin="txt")
    rows = (
        _tab_rows(source, bad) if kind == "tsv" else ((one.line, one.value) for one in read_rows(source, kind, bad=bad))
    )
    queries: dict[str, Query] = {}
    for line, value in rows:
        found = _query(line, value)
        if isinstance(found, str):
            bad.report(line, found)
        elif found.id in queries:
            raise InputError(f"{bad.name}, line {line}: the query {found.id!r} stands further up already")
        else:
            queries[found.id] = found
    return list(queries.values())


def _query(line: int, value: object) -> Query | str:
    """Return the query of a row, or what is wrong with it."""
    if isinstance(value, str):
        return Query(str(line), value.strip())
    if not isinstance(value, Mapping):
        return 'expected a text, or an object {"id": ..., "query": ...}'
    text = next((value[name] for name in _TEXTS if isinstance(value.get(name), str)), None)
    if text is None:
        return f"no {' or '.join(map(repr, _TEXTS))}; it has: {', '.join(map(str, value)) or 'nothing'}"
    name = next((value[name] for name in _IDS if isinstance(value.get(name), str | int)), line)
    return Query(str(name), text)


def _tab_rows(source: str, bad: BadLines) -> Iterator[tuple[int, object]]:
    header: list[str] | None = None
    for row in read_rows(source, "txt", bad=bad):
        cells = str(row.value).split("\t")
        if header is None:
            header = cells if {cell.strip().lower() for cell in cells} & set(_TEXTS) and len(cells) > 1 else []
            if header:
                header = [cell.strip().lower() for cell in header]
                continue
        if len(cells) == 1:
            yield row.line, cells[0]
        else:
            yield row.line, dict(zip(header or ["id", "query"], cells, strict=False))

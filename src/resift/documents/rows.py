"""Rows with fields, of a file or of the caller, become documents."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from resift.documents.cells import CellFloat
from resift.documents.records import Block, Document
from resift.errors import InputError
from resift.text.template import Template, document_text, scrub

IDS = ("id", "_id", "doc_id", "docid", "pid", "passage_id", "document_id")
TEXTS = ("text", "contents", "content", "body", "passage", "page_content")
TITLES = ("title", "name")
LONGEST_TITLE = 300
"""Characters; what is longer is text, and the title its beginning."""
_DEEPEST = 50
_MOST_BITS = 10_000
"""Of a whole number: Python writes no longer ones."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which fields of a row are its id, its title and its text.

    None is the first of the usual names that the row has, in capitals or not. `template` makes the text of fields
    instead; without either, a row that has none of the names is the text of all its fields, a `name: value` line each.
    """

    id: str | None = None
    text: str | None = None
    title: str | None = None
    template: Template | None = None

    def __post_init__(self) -> None:
        if self.text is not None and self.template is not None:
            raise InputError(f"the text is the column {self.text!r} and a template: expected one of them")


def as_document(
    row: Document | Mapping[str, object] | str,
    *,
    id: str | None = None,
    columns: Columns | None = None,
    source: str = "",
) -> Document:
    """Return a text, or a row with fields, as a document; a document is itself.

    The fields that are not its id, title or text become `fields`, and all but the id do when a template makes the text.
    Without an id, given or in the row, the id is the digest: so equal texts are one document. Raises InputError, which
    names the source, for what is no text, no id or no JSON.

    >>> as_document({"id": 7, "title": "Tea", "text": "Green or black.", "price": 3}).fields
    {'price': 3}
    """
    if isinstance(row, Document):
        return row
    if isinstance(row, str):
        return make_document(id, title=None, blocks=_blocks(row), fields={}, source=source)
    if not isinstance(row, Mapping):
        raise InputError(f"{_at(source)}a document is {_shown(row)}, expected a text or fields with values")
    try:
        return _from_fields(row, id, columns if columns is not None else Columns(), source)
    except InputError as error:
        if not source:
            raise
        raise type(error)(f"{source}: {error.message}", hint=error.hint) from None


def make_document(
    id: str | None, *, title: str | None, blocks: list[Block], fields: Mapping[str, object], source: str
) -> Document:
    """Return a document with its digest, which is its id where it has none."""
    known = {clean(str(name)): as_json(value, str(name)) for name, value in fields.items()}
    content = [title, [[block.kind, block.page, block.headings, block.text] for block in blocks], known]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    return Document(id if id is not None else digest, title, tuple(blocks), known, source, digest)


def as_json(value: object, name: str, depth: int = 0) -> Any:
    """Return a value of a field as JSON has it: NaN, which JSON has not, is null; lone surrogates are U+FFFD."""
    if depth > _DEEPEST:
        raise InputError(f"the field {name!r} is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise InputError(f"the field {name!r} is a number of {value.bit_length()} bits, expected at most {_MOST_BITS}")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean(str(key)): as_json(item, name, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item, name, depth + 1) for item in value]
    raise InputError(
        f"the field {name!r} is {_shown(value)}, which JSON has not", hint="make it a text or a number: str(value)"
    )


def clean(text: str) -> str:
    """Return a text that every store and tokenizer takes: no NUL characters, no lone surrogates."""
    return scrub(text.replace("\0", " "))


def _from_fields(row: Mapping[str, object], given: str | None, columns: Columns, source: str) -> Document:
    names = {str(name).casefold(): str(name) for name in reversed(list(row))}
    id_name = _find(row, names, columns.id, IDS, "id")
    title_name = _find(row, names, columns.title, TITLES, "title")
    text_name = _find(row, names, columns.text, TEXTS, "text") if columns.template is None else None
    found = given if given is not None else _id(row[id_name], id_name) if id_name is not None else None
    title = clean(_text(row[title_name], title_name)).strip() if title_name is not None else ""
    others = {str(name): value for name, value in row.items() if str(name) != id_name}
    if columns.template is not None:
        text = columns.template.render(dict(row))
    else:
        others = {name: value for name, value in others.items() if name not in (title_name, text_name)}
        text = document_text(dict(_lines(others)), None) if text_name is None else _text(row[text_name], text_name)
    if len(title) > LONGEST_TITLE:
        text, title = f"{title}\n\n{text}", title[:LONGEST_TITLE].rstrip()
    return make_document(found, title=title or None, blocks=_blocks(text), fields=others, source=source)


def _lines(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield fields with a value that a reader would read."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield name, json.dumps(as_json(value, name), ensure_ascii=False)
        elif not (isinstance(value, float) and math.isnan(value)):
            yield name, value


def _blocks(text: str) -> list[Block]:
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    return [Block(text)] if text.strip() else []


def _find(
    row: Mapping[str, object], names: Mapping[str, str], given: str | None, usual: tuple[str, ...], what: str
) -> str | None:
    """Return the name of the row's field for this; raises InputError when it was named and is not there."""
    if given is not None:
        if given not in row:
            there = _shown([str(name) for name in row])
            raise InputError(f"the row has no field {given!r} for its {what}; it has {there}")
        return given
    return next((names[name] for name in usual if name in names), None)


def _id(value: object, name: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, CellFloat):
        value = str(value)
    elif isinstance(value, float) and value.is_integer():  # numbers of a table with gaps
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"the id in {name!r} is {_shown(value)}, expected a text or a whole number")
    return clean(str(value)).strip() or None


def _text(value: object, name: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "\n\n".join(value)
    raise InputError(f"the field {name!r} is {_shown(value)}, expected a text or a list of texts")


def _at(source: str) -> str:
    return f"{source}: " if source else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."

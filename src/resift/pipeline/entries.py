"""What users add becomes what is written: documents, rows and texts, some at a time."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from resift.documents import Chunking, Columns, Document, as_document, split
from resift.documents.rows import clean
from resift.errors import InputError
from resift.pipeline.passages import Entry

Addable: TypeAlias = Document | Mapping[str, object] | str
"""A document as `read_documents` gives it, a row with fields, or a text, whose id is its digest."""

_MOST_DOCUMENTS = 1000
_MOST_CHARACTERS = 2_000_000


def batches(documents: Iterable[Addable], columns: Columns) -> Iterator[list[Document]]:
    """Give documents in lists that bound what is in memory, and what a crash loses."""
    if isinstance(documents, str | bytes | Mapping | Document) or not isinstance(documents, Iterable):
        raise InputError(f"documents is one {type(documents).__name__}, expected a list", hint="write [document]")
    batch: list[Document] = []
    size = 0
    for place, one in enumerate(documents):
        batch.append(_document(place, one, columns))
        size += sum(len(block.text) for block in batch[-1].blocks)
        if len(batch) >= _MOST_DOCUMENTS or size >= _MOST_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def entry(document: Document, chunking: Chunking) -> Entry:
    """Return a document as it is written."""
    return Entry(
        id=document.id,
        title=None if document.title is None else clean(document.title),
        fields=_json(document),
        source=clean(document.source),
        digest=document.digest,
        passages=[
            replace(one, text=clean(one.text), headings=tuple(clean(heading) for heading in one.headings))
            for one in split(document, chunking)
        ],
    )


def _document(place: int, given: Addable, columns: Columns) -> Document:
    source = "" if isinstance(given, Document) else f"document {place}"
    document = as_document(given, columns=columns, source=source)
    name = clean(document.id)
    if not name:
        raise InputError(f"document {place} has an empty id")
    return replace(document, id=name, digest=document.digest if document.digest else _digest(document))


def _digest(document: Document) -> str:
    """Return the digest of a document that was made by hand and says none."""
    blocks = [[block.text, block.headings, block.page, block.kind] for block in document.blocks]
    content = json.dumps([document.title, blocks, _json(document)])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _json(document: Document) -> str:
    try:
        # Subtle: not escaped, for SQLite compares names of fields as they are written.
        return clean(json.dumps(dict(document.fields), ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"the fields of the document {document.id!r} are not JSON: {error}") from None

"""What users add becomes what is written: documents, rows and texts, some at a time."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from resift.documents import as_document, split
from resift.documents.records import Block, Chunking, Document
from resift.errors import InputError
from resift.pipeline.passages import Entry
from resift.text.template import Template, scrub

Addable: TypeAlias = Document | Mapping[str, object] | str
"""A document as `read_documents` gives it, a row with an `id`, or a text."""

_MOST_DOCUMENTS = 1000
_MOST_CHARACTERS = 2_000_000


def batches(documents: Iterable[Addable], template: Template | None) -> Iterator[list[Document]]:
    """Give documents in lists that bound what is in memory and lost work after a crash."""
    if isinstance(documents, str | bytes | Mapping | Document):
        raise InputError(f"documents is one {type(documents).__name__}, expected a list", hint="write [document]")
    batch: list[Document] = []
    size = 0
    for place, one in enumerate(documents):
        batch.append(_document(place, one, template))
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
        title=None if document.title is None else scrub(document.title),
        fields=_json(document),
        source=scrub(document.source),
        digest=document.digest,
        passages=[replace(one, text=scrub(one.text), headings=tuple(map(scrub, one.headings))) for one in split(document, chunking)],
    )


def _document(place: int, given: object, template: Template | None) -> Document:
    if isinstance(given, str):
        text = scrub(given)
        name = "text-" + hashlib.sha256(text.encode()).hexdigest()[:16]
        document = Document(name, None, [Block(text)], source=f"text {place}")
    elif isinstance(given, Document):
        document = given
    elif isinstance(given, Mapping):
        document = as_document(given, template=template)
    else:
        raise InputError(
            f"document {place} is {type(given).__name__}, expected a Document, a row (mapping) or a text",
            hint="resift.documents.read_documents reads files",
        )
    if not document.id:
        raise InputError(f"document {place} ({document.source}) has an empty id")
    name = scrub(document.id)
    return replace(document, id=name, digest=document.digest or _digest(document))


def _digest(document: Document) -> str:
    """Return the digest of a document that was made by hand and says none."""
    parts = [document.title, [[b.text, b.headings, b.page, b.kind] for b in document.blocks], _json(document)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _json(document: Document) -> str:
    try:
        return scrub(json.dumps(dict(document.fields), ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"the fields of {document.id!r} are not JSON: {error}") from None

"""Files become documents, and documents the passages that are found and ranked.

Names are imported when they are first used (PEP 562): the command line reads rows without waiting for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resift.documents.reading import read_documents
    from resift.documents.records import Block, Chunking, Document, Passage
    from resift.documents.rows import Columns, as_document
    from resift.documents.splitting import split

__all__ = ["Block", "Chunking", "Columns", "Document", "Passage", "as_document", "read_documents", "split"]
_HOME = {
    "Block": "records",
    "Chunking": "records",
    "Columns": "rows",
    "Document": "records",
    "Passage": "records",
    "as_document": "rows",
    "read_documents": "reading",
    "split": "splitting",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'resift.documents' has no attribute {name!r}")
    return getattr(import_module(f"resift.documents.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

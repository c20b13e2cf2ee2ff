"""Files become documents, and documents the passages that are found and ranked."""

from resift.documents.reading import read_documents
from resift.documents.records import Block, Chunking, Document, Passage
from resift.documents.rows import Columns, as_document
from resift.documents.split import split

__all__ = ["Block", "Chunking", "Columns", "Document", "Passage", "as_document", "read_documents", "split"]

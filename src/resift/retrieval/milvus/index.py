"""`MilvusIndex`, a store over Milvus, and `MilvusRetriever`, which reads a collection that somebody else fills."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from resift.closing import Closing
from resift.errors import InputError
from resift.retrieval.encoders import Function, as_encoder
from resift.retrieval.milvus.collection import Collection, Ids, exists, load, shape_of
from resift.retrieval.milvus.link import Link, connect
from resift.retrieval.milvus.making import MARK, TEXT, Layout, create, make_durable, read_layout, rows
from resift.retrieval.protocols import Encoder, Hit
from resift.retrieval.vectors import as_ids, as_texts, as_unit
from resift.types import Float32, Int64

EncoderSpec: TypeAlias = str | Path | Encoder | Function | None
_DELETES = 10_000
"""Ids in one request."""


class MilvusRetriever(Closing):
    """Finds what is nearest to a query in a collection of Milvus, and changes nothing in it.

    `MilvusIndex.attach` opens one over a collection that you have already.
    """

    def __init__(self, link: Link, collection: Collection, *, encoder: Encoder | None, text_field: str | None) -> None:
        self._link = link
        self._collection = collection
        self._encoder = encoder
        self._text_field = text_field

    def __len__(self) -> int:
        """Return how many documents can be found. Milvus counts them: this takes a moment."""
        return self._collection.count()

    def search(self, query: str, *, top_k: int, among: Ids | None = None, filter: str | None = None) -> list[Hit]:
        """Return at most `top_k` hits, sorted by (-score, id); none for a query that says nothing.

        Args:
            query: a text.
            top_k: at most 16,384.
            among: only documents of these ids: int64 [n], or texts where the primary key is a VARCHAR.
            filter: only documents that pass it, in Milvus' language: `lang == "zh" and price < 100`.

        Raises:
            InputError: `top_k` out of bounds, or a filter that Milvus cannot read.
        """
        return self.search_many([query], top_k=top_k, among=among, filter=filter)[0]

    def search_many(
        self, queries: Sequence[str], *, top_k: int, among: Ids | None = None, filter: str | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query, as one by one but for the last bits of scores.

        Milvus multiplies several queries at once, which rounds otherwise.
        """
        asked = as_texts(queries, "queries")
        vectors: Float32 | list[str]
        if self._encoder is None:
            says = [bool(query.strip()) for query in asked]
            vectors = [query for query, one in zip(asked, says, strict=True) if one]
        else:
            made = _vectors(self._encoder.encode_queries(asked), asked, self._encoder)
            says = _saying(made)
            vectors = made[says]
        ids = None if among is None else _as_keys(among)
        found = iter(self._collection.search(vectors, top_k=top_k, within=filter or "", among=ids))
        return [next(found) if one else [] for one in says]

    def fetch(self, ids: Ids, *, fields: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the named fields of documents, in the order of ids; None where an id is not there."""
        return self._collection.fetch(_as_keys(ids), fields=fields)

    def texts(self, ids: Ids) -> list[str | None]:
        """Return the texts of documents, in the order of ids, as a reranker wants them; None where one is not there.

        Raises:
            InputError: the collection keeps no texts, or no `text_field` was named.
        """
        if self._text_field is None:
            raise InputError(
                f"collection {self._collection.shape.name!r} has no field of texts",
                hint="open with texts=True, or attach with text_field=",
            )
        found = self._collection.fetch(_as_keys(ids), fields=[self._text_field])
        return [None if one is None else one[self._text_field] for one in found]

    def close(self) -> None:
        """Close the connection; of Milvus Lite end its threads, too, and give its folder back."""
        self._link.close()


class MilvusIndex(MilvusRetriever):
    """A store of documents in Milvus.

    `open` takes a folder, in which Milvus Lite keeps its data, or the URL of a server. Searches see all changes made
    before them. Safe for many threads; a folder is for one process at a time.
    """

    def __init__(self, link: Link, collection: Collection, *, encoder: Encoder, layout: Layout) -> None:
        super().__init__(link, collection, encoder=encoder, text_field=TEXT if layout.texts else None)
        self._coder = encoder
        self._layout = layout
        self._mark = int(collection.shape.properties.get(MARK, 0))

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        encoder: EncoderSpec = None,
        collection: str = "resift",
        token: str | None = None,
        database: str | None = None,
        metric: Literal["IP", "COSINE"] | None = None,
        index: str | None = None,
        index_params: Mapping[str, Any] | None = None,
        search_params: Mapping[str, Any] | None = None,
        texts: bool | None = None,
        fields: Mapping[str, type] | None = None,
        timeout: float = 60.0,
    ) -> Self:
        """Open a collection that this class made; make it where it is not there.

        Args:
            where: a folder, in which Milvus Lite keeps its data, or a server's URL: `http://localhost:19530`.
            encoder: texts to vectors: see `as_encoder`.
            collection: its name.
            token: of the server: an API key, or `user:password`.
            database: on the server; None for the default one.
            metric: of vectors of length 1 both give cosines; None for the collection's, IP in a new one.
            index: Milvus' index type, `HNSW`, `IVF_FLAT` ...; None for the collection's; in a new one FLAT, which is
                exact, with Milvus Lite, and AUTOINDEX on a server.
            index_params: of this type: `{"M": 16, "efConstruction": 200}`.
            search_params: of this type, for searches: `{"ef": 128}`.
            texts: keep the texts, too, at most 65,535 bytes each; None for as it is, True in a new one.
            fields: names and types (`str`, `int`, `float` or `bool`) of metadata for filters; None for those that are
                there.
            timeout: seconds for a call to Milvus, retries included.

        Raises:
            InputError: what was asked for contradicts what is there; both are named.
            FolderBusy: another process has the folder open: Milvus Lite allows one.
            StoreDamaged: the folder cannot be read.
            Unavailable: nobody answers; and other errors of a server.
        """
        coder = as_encoder(encoder)
        link = connect(where, token=token, database=database, timeout=timeout)
        try:
            wanted = Layout.asked(
                coder, metric=metric, index=index, index_params=index_params, texts=texts, fields=fields
            )
            with link.opening():
                there = exists(link, collection)
            if not there:
                create(link, collection, wanted)
            with link.opening():
                shape = shape_of(link, collection, vector_field=None)
                layout = read_layout(shape, wanted, where=link.where)
                load(link, collection)
        except BaseException:
            link.close()
            raise
        found = Collection(link, shape, consistency="Strong", search_params=search_params)
        return cls(link, found, encoder=coder, layout=layout)

    @staticmethod
    def attach(
        where: str | Path,
        *,
        collection: str,
        encoder: EncoderSpec = None,
        vector_field: str | None = None,
        text_field: str | None = None,
        token: str | None = None,
        database: str | None = None,
        search_params: Mapping[str, Any] | None = None,
        consistency: Literal["Strong", "Bounded", "Session", "Eventually"] | None = None,
        timeout: float = 60.0,
    ) -> MilvusRetriever:
        """Read a collection that you have already, whatever filled it. Nothing is written to it.

        Args:
            where: a server's URL, or a folder of Milvus Lite.
            collection: its name, or an alias.
            encoder: the one that made its vectors, as of `as_encoder`; None where Milvus makes them of texts, as its
                BM25 function does.
            vector_field: the field to search; None where there is one.
            text_field: what `texts` returns.
            token: of the server: an API key, or `user:password`.
            database: on the server; None for the default one.
            search_params: of its index, for searches: `{"ef": 128}`.
            consistency: of searches; None for the collection's own.
            timeout: seconds for a call to Milvus, retries included.

        Raises:
            InputError: no such collection or field, no index, an encoder of another dimension.
            FolderBusy, StoreDamaged, Unavailable: as in `open`.
        """
        coder = None if encoder is None else as_encoder(encoder)
        link = connect(where, token=token, database=database, timeout=timeout)
        try:
            with link.opening():
                shape = shape_of(link, collection, vector_field=vector_field)
                _check_encoder(shape.dimension, coder, f"field {shape.vector_field!r} of collection {collection!r}")
                if text_field is not None:
                    shape.check_field(text_field)
                load(link, collection)
        except BaseException:
            link.close()
            raise
        found = Collection(link, shape, consistency=consistency, search_params=search_params)
        return MilvusRetriever(link, found, encoder=coder, text_field=text_field)

    @property
    def mark(self) -> int:
        """The number given to the last `save`; 0 for a new store."""
        return self._mark

    def add(self, ids: Int64, texts: Sequence[str], *, metadata: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Index texts under ids, int64 [n]; a document whose id is there is replaced.

        A text that says nothing, whose vector is all zeros, cannot be found: it is not kept.

        Args:
            ids: of the same id twice, the last counts.
            texts: one for each id.
            metadata: values of the fields that the collection was made with, one mapping for each id.

        Raises:
            InputError: lists of different lengths, texts that are too long, unknown fields.
        """
        numbers, given = as_ids(ids).tolist(), as_texts(texts, "texts")
        _check_lengths(numbers, given, metadata)
        places = sorted({number: place for place, number in enumerate(numbers)}.values())
        for batch in self._layout.batches(places, given):
            asked = [given[place] for place in batch]
            vectors = _vectors(self._coder.encode_documents(asked), asked, self._coder)
            kept = None if metadata is None else [metadata[place] for place in batch]
            made = rows([numbers[place] for place in batch], vectors, asked, kept, layout=self._layout)
            says = _saying(vectors)
            found = [row for row, one in zip(made, says, strict=True) if one]
            if found:
                with self._link.asking() as client:
                    client.upsert(self._collection.shape.name, found, timeout=self._link.timeout)
            self._delete([numbers[place] for place, one in zip(batch, says, strict=True) if not one])

    def delete(self, ids: Int64) -> None:
        """Take documents out, int64 [n]; ids that are not there are ignored."""
        self._delete(as_ids(ids).tolist())

    def _delete(self, numbers: list[int]) -> None:
        for start in range(0, len(numbers), _DELETES):
            with self._link.asking() as client:
                part = numbers[start : start + _DELETES]
                client.delete(self._collection.shape.name, ids=part, timeout=self._link.timeout)

    def save(self, *, mark: int) -> None:
        """Make all changes durable, and then the mark.

        A server has them in its log when it acknowledges them; Milvus Lite's files are flushed to the disk here.
        """
        name = self._collection.shape.name
        with self._link.asking() as client:
            if self._link.folder is not None:
                client.flush(name, timeout=self._link.timeout)
                make_durable(self._link.folder)
            client.alter_collection_properties(name, {MARK: str(int(mark))}, timeout=self._link.timeout)
            if self._link.folder is not None:
                make_durable(self._link.folder)
        self._mark = int(mark)


def _check_lengths(ids: Sequence[int], texts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None) -> None:
    if len(ids) != len(texts):
        raise InputError(f"{len(ids)} ids and {len(texts)} texts: expected one id for each text")
    if metadata is not None and len(metadata) != len(texts):
        raise InputError(f"{len(metadata)} metadata and {len(texts)} texts: expected one mapping for each text")


def _check_encoder(dimension: int | None, encoder: Encoder | None, field: str) -> None:
    if dimension is None and encoder is not None:
        raise InputError(f"encoder is {encoder.name!r}, and Milvus makes {field} of texts itself", hint="leave it out")
    if dimension is not None and encoder is None:
        raise InputError(f"{field} has vectors, which Milvus does not make of texts", hint="give the encoder that did")
    if encoder is not None and encoder.dimension != dimension:
        raise InputError(f"encoder {encoder.name!r} has dimension {encoder.dimension}, and {field} has {dimension}")


def _as_keys(ids: Ids) -> Ids:
    """Return int64 [n], or the list of texts; raises InputError for anything else."""
    if not isinstance(ids, np.ndarray) and any(isinstance(one, str) for one in ids):
        return as_texts(ids, "ids")
    return as_ids(ids)


def _vectors(made: Float32, texts: Sequence[str], encoder: Encoder) -> Float32:
    vectors = as_unit(made, dimension=encoder.dimension, source=f"encoder {encoder.name!r}")
    if len(vectors) != len(texts):
        raise InputError(f"encoder {encoder.name!r} gave {len(vectors)} vectors for {len(texts)} texts")
    return vectors


def _saying(vectors: Float32) -> list[bool]:
    """Return which vectors are not all zeros."""
    return [bool(one) for one in np.any(vectors != 0, axis=1)]

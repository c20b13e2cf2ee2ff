"""The collections of `MilvusIndex`: how they are made and recognised, and rows for them."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from resift.errors import InputError, StoreDamaged
from resift.retrieval.milvus.collection import Shape
from resift.retrieval.milvus.link import Link
from resift.retrieval.protocols import Encoder
from resift.types import Float32

ID, TEXT, VECTOR = "id", "text", "vector"
LAYOUT, MARK = "resift.layout", "resift.mark"
"""Properties of a collection of ours."""
VERSION = 1
LONGEST = 65_535
"""Bytes in a VARCHAR."""
BATCH_ROWS = 1_000
BATCH_BYTES = 8 * 2**20
"""Of texts and vectors in one request; a server takes 64 MB."""
LITE_INDEXES = ("FLAT", "AUTOINDEX", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8")
"""What Milvus Lite builds; it takes other names, and fails when the collection is opened again."""
_NAME = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)
_TYPES: dict[type, tuple[str, tuple[type, ...]]] = {
    str: ("VARCHAR", (str,)),
    int: ("INT64", (int,)),
    float: ("DOUBLE", (int, float)),
    bool: ("BOOL", (bool,)),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection was made, written on it; None where it is asked for and anything will do.

    Attributes:
        encoder: name of what made the vectors.
        dimension: of the vectors.
        metric: IP or COSINE.
        index: Milvus' type.
        index_params: of this type.
        texts: whether they are kept.
        fields: names of metadata, and `str`, `int`, `float` or `bool`.
    """

    encoder: str
    dimension: int
    metric: str | None
    index: str | None
    index_params: dict[str, Any] | None
    texts: bool | None
    fields: dict[str, str] | None

    @classmethod
    def asked(
        cls,
        encoder: Encoder,
        *,
        metric: Literal["IP", "COSINE"] | None,
        index: str | None,
        index_params: Mapping[str, Any] | None,
        texts: bool | None,
        fields: Mapping[str, type] | None,
    ) -> Self:
        """Return the caller's wishes; raises InputError for those that no collection can meet."""
        if metric not in (None, "IP", "COSINE"):
            raise InputError(f"metric is {metric!r}, expected 'IP' or 'COSINE'")
        if index is None and index_params is not None:
            raise InputError("index_params belong to a type of index", hint="name it: index='HNSW'")
        for name, kind in (fields or {}).items():
            if name in (ID, TEXT, VECTOR) or not name.isidentifier():
                raise InputError(
                    f"a field cannot be called {name!r}", hint="letters, digits and _; not id, text, vector"
                )
            if kind not in _TYPES:
                raise InputError(f"field {name!r} is a {kind!r}, expected str, int, float or bool")
        return cls(
            encoder=encoder.name,
            dimension=encoder.dimension,
            metric=metric,
            index=index,
            index_params=None if index_params is None else dict(index_params),
            texts=texts,
            fields=None if fields is None else {name: kind.__name__ for name, kind in fields.items()},
        )

    def settled(self, *, lite: bool) -> Self:
        """Return the layout of a new collection: defaults where nothing was asked for."""
        return replace(
            self,
            metric=self.metric or "IP",
            index=self.index or ("FLAT" if lite else "AUTOINDEX"),
            index_params=self.index_params or {},
            texts=True if self.texts is None else self.texts,
            fields=self.fields or {},
        )

    def batches(self, places: Sequence[int], texts: Sequence[str]) -> Iterator[list[int]]:
        """Cut places of documents into requests; raises InputError for a text that cannot be kept."""
        sizes = [self._size(place, texts[place]) for place in places]
        batch: list[int] = []
        filled = 0
        for place, size in zip(places, sizes, strict=True):
            if batch and (len(batch) == BATCH_ROWS or filled + size > BATCH_BYTES):
                yield batch
                batch, filled = [], 0
            batch.append(place)
            filled += size
        if batch:
            yield batch

    def _size(self, place: int, text: str) -> int:
        if not self.texts:
            return 4 * self.dimension
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise InputError(f"text {place} is not Unicode: it has half a surrogate pair") from None
        if size > LONGEST:
            raise InputError(
                f"text {place} has {size:,} bytes, and Milvus keeps at most {LONGEST:,}",
                hint="cut it into passages, or open with texts=False",
            )
        return 4 * self.dimension + size


def create(link: Link, name: str, wanted: Layout) -> None:
    """Make a collection; raises InputError for wishes that Milvus cannot meet."""
    import pymilvus

    if not _NAME.fullmatch(name):
        raise InputError(f"collection is {name!r}, expected letters, digits and _, a digit not first")
    if link.folder is not None and (link.folder / "collections" / name).exists():
        raise StoreDamaged(f"Milvus Lite's {link.folder} has files of collection {name!r}, and no description of it")
    layout = wanted.settled(lite=link.folder is not None)
    if link.folder is not None and layout.index not in LITE_INDEXES:
        raise InputError(f"index is {layout.index!r}, and Milvus Lite has {', '.join(LITE_INDEXES)}")
    with link.asking() as client:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        kinds = pymilvus.DataType
        schema.add_field(ID, kinds.INT64, is_primary=True)
        schema.add_field(VECTOR, kinds.FLOAT_VECTOR, dim=layout.dimension)
        if layout.texts:
            schema.add_field(TEXT, kinds.VARCHAR, max_length=LONGEST)
        for field, kind in (layout.fields or {}).items():
            milvus, (first, *_) = _named(kind)
            length = {"max_length": LONGEST} if first is str else {}
            schema.add_field(field, getattr(kinds, milvus), nullable=True, **length)
        index = client.prepare_index_params()
        index.add_index(VECTOR, index_type=layout.index, metric_type=layout.metric, params=layout.index_params)
        client.create_collection(
            name,
            schema=schema,
            index_params=index,
            consistency_level="Strong",
            properties={LAYOUT: json.dumps({"version": VERSION, **asdict(layout)}), MARK: "0"},
            timeout=link.timeout,
        )


def read_layout(shape: Shape, wanted: Layout, *, where: str) -> Layout:
    """Return how a collection was made; raises InputError where that contradicts what is wanted."""
    written = shape.properties.get(LAYOUT)
    if written is None:
        raise InputError(
            f"collection {shape.name!r} of Milvus at {where} was not made by MilvusIndex",
            hint="read it with MilvusIndex.attach, or open another one: collection=",
        )
    there = json.loads(written)
    version = there.pop("version")
    if version != VERSION:
        raise InputError(
            f"collection {shape.name!r} is of version {version}, and this resift reads {VERSION}",
            hint="make another: collection=",
        )
    layout = Layout(**there)
    for key, asked in asdict(wanted).items():
        made = there[key]
        if asked is not None and asked != made:
            raise InputError(
                f"{key} is {asked!r}, and collection {shape.name!r} of Milvus at {where} was made with {made!r}",
                hint="open it as it was made, or make another: collection=",
            )
    return layout


def rows(
    ids: Sequence[int],
    vectors: Float32,
    texts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]] | None,
    *,
    layout: Layout,
) -> list[dict[str, Any]]:
    """Return the rows of documents.

    Every field is in every row, because Milvus Lite keeps the old value of one that is not.
    """
    made: list[dict[str, Any]] = [{ID: one, VECTOR: vector} for one, vector in zip(ids, vectors, strict=True)]
    if layout.texts:
        for row, text in zip(made, texts, strict=True):
            row[TEXT] = text
    fields = layout.fields or {}
    for place, row in enumerate(made):
        values = {} if metadata is None else metadata[place]
        unknown = [name for name in values if name not in fields]
        if unknown:
            raise InputError(
                f"metadata of {ids[place]} has {unknown[0]!r}, expected some of {', '.join(fields) or 'none'}",
                hint="name fields and types when the collection is made: fields={'lang': str}",
            )
        row.update({name: _value(name, kind, values.get(name)) for name, kind in fields.items()})
    return made


def make_durable(folder: Path) -> None:
    """Wait until the files of Milvus Lite are on the disk: for its data it does not do so itself."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and os.name == "nt":
            continue  # Windows has no handles of folders
        with suppress(FileNotFoundError):  # merged into another file meanwhile
            descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _named(kind: str) -> tuple[str, tuple[type, ...]]:
    return next(row for known, row in _TYPES.items() if known.__name__ == kind)


def _value(name: str, kind: str, value: object) -> object:
    _, accepted = _named(kind)
    if value is None:
        return None
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
        raise InputError(f"field {name!r} is {value!r}, expected a {kind}, or None")
    return value

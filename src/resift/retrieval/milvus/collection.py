"""A collection to read from: what it is made of, what is nearest in it, what its rows hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from resift.errors import InputError
from resift.retrieval.milvus.filters import both, expressions, lists
from resift.retrieval.milvus.link import Link
from resift.retrieval.protocols import Hit
from resift.types import Float32, Int64

Ids: TypeAlias = Int64 | Sequence[str]
"""int64, or the texts of a collection whose primary key is a VARCHAR."""

MOST = 16_384
"""Hits that Milvus gives at most to one query."""
SPARE = 16
"""Hits asked for beyond `top_k`, to see where equal scores end."""
PIECE = 10_000
"""Ids in one filter. Milvus takes more, but parses them slowly."""
WIDE = 1_000
"""Hits looked through before more ids than these are sent, in pieces."""
ROWS = 500
"""Rows fetched at once: of the longest texts that Milvus stores they are 32 MB."""
QUERIES = 100
"""Queries in one request."""
_SCORES: dict[str, Callable[[float], float]] = {
    "IP": float,
    "COSINE": float,
    "L2": lambda distance: -distance,
    "BM25": abs,  # Milvus Lite gives it below 0, a server above
}
"""From Milvus' distance to a score of which higher is better."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a collection is made of.

    Attributes:
        name: of the collection.
        id_field: its primary key.
        vector_field: the field that is searched.
        dimension: of its vectors; None when Milvus makes them of texts itself.
        metric: of its index: IP, COSINE, L2 or BM25.
        fields: names of all fields but the vectors.
        dynamic: whether rows may have others, which nobody declared.
        properties: what was written on the collection.
    """

    name: str
    id_field: str
    vector_field: str
    dimension: int | None
    metric: str
    fields: tuple[str, ...]
    dynamic: bool
    properties: Mapping[str, str]

    def check_field(self, name: str) -> None:
        """Raise InputError where rows cannot have this field."""
        if name not in self.fields and not self.dynamic:
            raise InputError(f"collection {self.name!r} has no field {name!r}, only {', '.join(self.fields)}")


class Collection:
    """Searches over one vector field.

    Args:
        link: to Milvus.
        shape: of the collection.
        consistency: level of searches; None for the collection's own.
        search_params: of its index, such as `{"ef": 128}`.
    """

    def __init__(
        self, link: Link, shape: Shape, *, consistency: str | None, search_params: Mapping[str, Any] | None
    ) -> None:
        self._link = link
        self.shape = shape
        self._consistency: dict[str, Any] = {} if consistency is None else {"consistency_level": consistency}
        self._params: dict[str, Any] = {} if search_params is None else {"params": dict(search_params)}

    def search(
        self, queries: Float32 | Sequence[str], *, top_k: int, within: str = "", among: Ids | None = None
    ) -> list[list[Hit]]:
        """Return the nearest of each query, at most `top_k`, sorted by (-score, id).

        Args:
            queries: float32 [n, dimension], or texts where Milvus makes their vectors.
            top_k: 0 to 16,384.
            within: a filter of Milvus; empty for none.
            among: the only ids that may be found; as exact as the index is.

        Raises:
            InputError: `top_k` out of bounds, or a filter that Milvus cannot read.
        """
        if not 0 <= top_k <= MOST:
            raise InputError(f"top_k is {top_k}, expected 0 to {MOST:,}, which is the most that Milvus gives")
        if not top_k or not len(queries) or (among is not None and not len(among)):
            return [[] for _ in queries]
        if among is None:
            return self._best(queries, top_k, within)
        filters = self._filters(within, among) if len(among) <= PIECE else []
        if len(filters) == 1:
            return self._best(queries, top_k, filters[0])
        return self._in_pieces(queries, top_k, within, among)

    def fetch(self, ids: Ids, *, fields: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the named fields of rows, in the order of ids; None for an id that is not there."""
        for name in fields:
            self.shape.check_field(name)
        found: dict[int | str, dict[str, Any]] = {}
        key = self.shape.id_field
        asked = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        for one in lists(key, asked, size=ROWS):
            for row in self._rows(one, [key, *fields]):
                found[row[key]] = {name: row.get(name) for name in fields}
        return [found.get(one) for one in asked]

    def count(self) -> int:
        """Return how many rows can be found."""
        with self._link.asking() as client:
            [row] = client.query(
                self.shape.name, output_fields=["count(*)"], timeout=self._link.timeout, **self._consistency
            )
        return int(row["count(*)"])

    def _rows(self, filtered: str, fields: list[str]) -> list[dict[str, Any]]:
        with self._link.asking() as client:
            found: list[dict[str, Any]] = client.query(
                self.shape.name,
                filter=filtered,
                output_fields=fields,
                timeout=self._link.timeout,
                **self._consistency,
            )
        return found

    def _best(self, queries: Float32 | Sequence[str], top_k: int, filtered: str) -> list[list[Hit]]:
        """Ask for a few more than `top_k`, and for more where the last of them still ties with the last wanted.

        Milvus breaks ties as it likes; so they are broken here.
        """
        found: list[list[Hit]] = [[] for _ in queries]
        places = np.arange(len(queries))
        limit = min(top_k + SPARE, MOST)
        while len(places):
            asked = _taken(queries, places)
            for place, hits in zip(places, self._ask(asked, limit, filtered), strict=True):
                found[place] = hits
            again = [len(found[place]) == limit and _tied(found[place], top_k) for place in places]
            places = places[again] if limit < MOST else places[:0]
            limit = min(2 * limit, MOST)
        return [hits[:top_k] for hits in found]

    def _in_pieces(self, queries: Float32 | Sequence[str], top_k: int, within: str, among: Ids) -> list[list[Hit]]:
        """Look among the best of all, and ask piece by piece where too few of the ids are there."""
        limit = min(max(WIDE, 10 * top_k), MOST)
        filters: list[str] = []
        found: list[list[Hit]] = []
        for place, all_hits in enumerate(self._ask(queries, limit, within)):
            kept = np.isin([hit.id for hit in all_hits], among)
            hits = [hit for hit, one in zip(all_hits, kept.tolist(), strict=True) if one]
            # What was not seen scores no more than the last that was.
            complete = len(all_hits) < limit or (len(hits) >= top_k and hits[top_k - 1].score > all_hits[-1].score)
            if not complete:
                filters = filters or self._filters(within, among)
                asked = _taken(queries, np.array([place]))
                hits = [hit for one in filters for hit in self._best(asked, top_k, one)[0]]
                hits.sort(key=_order)
            found.append(hits[:top_k])
        return found

    def _filters(self, within: str, among: Ids) -> list[str]:
        return [both(within, one) for one in expressions(self.shape.id_field, among, size=PIECE)]

    def _ask(self, queries: Float32 | Sequence[str], limit: int, filtered: str) -> list[list[Hit]]:
        """Return the hits as Milvus found them, in our order."""
        answers: list[Any] = []
        for start in range(0, len(queries), QUERIES):
            with self._link.asking() as client:
                answers.extend(
                    client.search(
                        self.shape.name,
                        data=list(queries[start : start + QUERIES]),
                        anns_field=self.shape.vector_field,
                        filter=filtered,
                        limit=limit,
                        output_fields=[self.shape.id_field],
                        search_params={"metric_type": self.shape.metric, **self._params},
                        timeout=self._link.timeout,
                        **self._consistency,
                    )
                )
        return [sorted(self._hits(answer), key=_order) for answer in answers]

    def _hits(self, answer: Sequence[Mapping[str, Any]]) -> Iterator[Hit]:
        key, score = self.shape.id_field, _SCORES[self.shape.metric]
        for hit in answer:
            # pymilvus before 2.6 calls the primary key "id", whatever its name is
            yield Hit(hit[key] if key in hit else hit["id"], score(hit["distance"]))


def exists(link: Link, name: str) -> bool:
    """Whether there is a collection, or an alias, of this name."""
    with link.asking() as client:
        return bool(client.has_collection(name, timeout=link.timeout))


def shape_of(link: Link, name: str, *, vector_field: str | None) -> Shape:
    """Return what a collection is made of; raises InputError for one that is not there or cannot be searched."""
    if not exists(link, name):
        with link.asking() as client:
            known = ", ".join(map(repr, client.list_collections(timeout=link.timeout))) or "none"
        raise InputError(f"Milvus at {link.where} has no collection {name!r}", hint=f"it has {known}")
    with link.asking() as client:
        described = client.describe_collection(name, timeout=link.timeout)
    fields = {field["name"]: field for field in described["fields"]}
    vectors = [field for field in fields.values() if "VECTOR" in field["type"].name]
    searched = _searched(name, [field["name"] for field in vectors], vector_field)
    made = {output for function in described.get("functions", ()) for output in function["output_field_names"]}
    dimension = fields[searched]["params"].get("dim")
    if searched not in made and fields[searched]["type"].name != "FLOAT_VECTOR":
        raise InputError(f"field {searched!r} is a {fields[searched]['type'].name}, expected a FLOAT_VECTOR")
    return Shape(
        name=name,
        id_field=next(field["name"] for field in fields.values() if field.get("is_primary")),
        vector_field=searched,
        dimension=None if searched in made else int(dimension),
        metric=_metric(link, name, searched),
        fields=tuple(field for field in fields if fields[field] not in vectors),
        dynamic=bool(described.get("enable_dynamic_field", False)),
        properties=described.get("properties", {}),
    )


def load(link: Link, name: str) -> None:
    """Make a collection ready to be searched."""
    with link.asking() as client:
        client.load_collection(name, timeout=link.timeout)


def _searched(name: str, vectors: list[str], wanted: str | None) -> str:
    if wanted is None and len(vectors) == 1:
        return vectors[0]
    if wanted in vectors:
        return str(wanted)
    said = "no vector_field= was named" if wanted is None else f"vector_field is {wanted!r}"
    raise InputError(f"{said}, and collection {name!r} has the vector fields {', '.join(vectors) or 'none'}")


def _metric(link: Link, name: str, field: str) -> str:
    with link.asking() as client:
        found = client.list_indexes(name, field_name=field)
        if not found:
            raise InputError(f"field {field!r} of collection {name!r} has no index", hint="create one in Milvus first")
        metric = str(client.describe_index(name, found[0], timeout=link.timeout)["metric_type"])
    if metric not in _SCORES:
        raise InputError(f"the index of {field!r} measures by {metric}, expected one of {', '.join(_SCORES)}")
    return metric


def _taken(queries: Float32 | Sequence[str], places: Any) -> Float32 | list[str]:
    return queries[places] if isinstance(queries, np.ndarray) else [queries[place] for place in places]


def _tied(hits: Sequence[Hit], top_k: int) -> bool:
    """Whether the last hit has the score of the last one that is wanted."""
    return hits[-1].score == hits[top_k - 1].score


def _order(hit: Hit) -> tuple[float, int | str]:
    return (-hit.score, hit.id)

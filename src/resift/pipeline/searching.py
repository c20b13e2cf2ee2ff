"""Search: recall from each store -> fusion -> reranking -> what was asked for, with scores, places and times."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from resift.documents import Chunking, Passage
from resift.errors import InputError
from resift.pipeline.blending import blend
from resift.pipeline.config import Config
from resift.pipeline.filters import Where, compiled
from resift.pipeline.fusing import fuse, trusted
from resift.pipeline.passages import Row, Truth, read_fields
from resift.pipeline.records import FoundPassage, SearchResult, Stage
from resift.pipeline.request import Request
from resift.pipeline.reranking import Reranking
from resift.pipeline.shelves import Shelves, View
from resift.retrieval.protocols import Hit, Store
from resift.types import Int64

_AT_ONCE = 256
"""Queries whose passages are in memory together."""
_REMEMBERED = 16
"""Conditions whose passages are remembered until the next change."""
_MOST = 2**31 - 1
"""Passages that a store is asked for at most: no list is longer."""
_OVERLAP = 4
"""Characters that two neighbours share at least to be taken for their overlap."""


@dataclass(slots=True)
class Asked:
    """A query on its way through the stages.

    Attributes:
        order: ids of passages, best first, as the last stage left them.
        rows: of all that were found.
        scores, ranks: by passage, then by stage.
        last: the stage that each passage's own score is of.
        trust: what BM25's list counted, where the fusion asks (`fusing.trusted`); 1 elsewhere.
    """

    text: str
    order: list[int] = field(default_factory=list)
    rows: Mapping[int, Row] = field(default_factory=dict)
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    ranks: dict[int, dict[str, int]] = field(default_factory=dict)
    last: dict[int, str] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    trust: float = 1.0
    stages: list[Stage] = field(default_factory=list)

    def note(self, stage: str, hits: Sequence[Hit]) -> None:
        """Write down what a stage made of its passages, best first."""
        for rank, hit in enumerate(hits, 1):
            number = int(hit.id)
            self.scores.setdefault(number, {})[stage] = hit.score
            self.ranks.setdefault(number, {})[stage] = rank
            if stage != "blend":
                self.last[number] = stage

    def found_by(self, stage: str) -> list[int]:
        """Return the passages that a stage found, its best first."""
        places = {number: ranks[stage] for number, ranks in self.ranks.items() if stage in ranks}
        return sorted(places, key=lambda number: places[number])


class Searching:
    """All that reads; safe from many threads at once."""

    def __init__(self, config: Config, truth: Truth, shelves: Shelves) -> None:
        self._config = config
        self._truth = truth
        self._shelves = shelves
        self._remembered: OrderedDict[tuple[str, tuple[Any, ...], int], Int64] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, queries: Sequence[str], request: Request, reranking: Reranking | None) -> list[SearchResult]:
        """Answer queries, in their order; those without any text find nothing."""
        results: list[SearchResult] = []
        for start in range(0, len(queries), _AT_ONCE):
            some = [Asked(text) for text in queries[start : start + _AT_ONCE]]
            spoken = [asked for asked in some if asked.text.strip()]
            if spoken:
                self.recall(spoken, request)
                if reranking is not None:
                    rerank(spoken, reranking, request.depth, request.blend)
            results += [self._result(asked, request, reranking) for asked in some]
        return results

    def first_stage(self, queries: Sequence[str], request: Request) -> list[Asked]:
        """Return queries, which all say something, with the order of the first stage."""
        asked = [Asked(text) for text in queries]
        for start in range(0, len(asked), _AT_ONCE):
            self.recall(asked[start : start + _AT_ONCE], request)
        return asked

    def recall(self, queries: Sequence[Asked], request: Request) -> None:
        """Fill in the order of the first stage: of the one store, or of the fusion of several."""
        with self._shelves.looking() as view:
            stores = _chosen(view, request.stores, self._config)
            among = None
            if request.where is not None:
                with _timed(queries, "where") as found:
                    among = self._allowed(request.where, view.at)
                    found.extend([len(among)] * len(queries))
            lists: dict[str, list[list[Hit]]] = {}
            most = min(max(request.recall, request.top_k, request.depth), _MOST)
            for name, store in stores.items():
                with _timed(queries, name) as found:
                    lists[name] = self._find(store, [asked.text for asked in queries], most, among)
                    found.extend(len(hits) for hits in lists[name])
            with _timed(queries, "read") as found:  # still behind the gate: what is seen here may be forgotten outside
                ids = {int(hit.id) for hits in lists.values() for one in hits for hit in one}
                rows = self._truth.rows(sorted(ids), at=view.at)
                for place in range(len(queries)):
                    found.append(len({int(hit.id) for hits in lists.values() for hit in hits[place]} & rows.keys()))
            passages = {name: len(store) for name, store in stores.items()}
        self._fuse(queries, lists, rows, request, passages)

    def _fuse(
        self,
        queries: Sequence[Asked],
        lists: Mapping[str, list[list[Hit]]],
        rows: Mapping[int, Row],
        request: Request,
        passages: Mapping[str, int],
    ) -> None:
        """Make one list of the stores', without what is no longer, or not yet, to be seen."""
        weights = self._config.weights if request.weights is None else request.weights
        self._config.check_weights(weights)
        method = self._config.fusion if request.fusion is None else request.fusion
        started = time.perf_counter()
        for place, asked in enumerate(queries):
            seen = {name: [hit for hit in hits[place] if int(hit.id) in rows] for name, hits in lists.items()}
            for name, hits in seen.items():
                asked.note(name, hits)
            only = next(iter(seen.values())) if len(seen) == 1 else None
            counted = weights
            if method == "covered" and "bm25" in seen:
                analyzer = str(self._config.stores["bm25"].get("analyzer", "ngrams"))
                asked.trust = trusted(asked.text, seen["bm25"], analyzer=analyzer, passages=passages["bm25"])
                counted = {**weights, "bm25": weights.get("bm25", 1.0) * asked.trust}
            best = only if only is not None else fuse(method, seen, counted)
            asked.order = [int(hit.id) for hit in best]
            asked.rows = rows
            if only is None:
                asked.note("fusion", best)
        if len(lists) > 1:
            share = (time.perf_counter() - started) / len(queries)
            for asked in queries:
                asked.stages.append(Stage("fusion", share, len(asked.order)))

    def _find(self, store: Store, texts: Sequence[str], most: int, among: Int64 | None) -> list[list[Hit]]:
        if among is not None and not len(among):
            return [[] for _ in texts]
        if len(texts) == 1:
            return [store.search(texts[0], top_k=most, among=among)]
        return store.search_many(texts, top_k=most, among=among)

    def _allowed(self, where: Where, at: int) -> Int64:
        condition, values = compiled(where)
        key = condition, tuple(values), at
        with self._lock:
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
        ids = self._truth.allowed(where, at=at)
        with self._lock:
            self._remembered[key] = ids
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return ids

    def _result(self, asked: Asked, request: Request, reranking: Reranking | None) -> SearchResult:
        chosen = list(_chosen_passages(asked, request, reranking is not None))
        hits = [self._found(asked, number, request.context) for number in chosen]
        if request.explain and reranking is not None:
            with _timed([asked], "explain") as found:
                for place, hit in enumerate(hits[: request.explain]):
                    hits[place] = replace(hit, explanation=reranking.explain(asked.text, hit.full_text))
                found.append(min(len(hits), request.explain))
        return SearchResult(asked.text, tuple(hits), tuple(asked.stages))

    def _found(self, asked: Asked, number: int, context: int) -> FoundPassage:
        row = asked.rows[number]
        stage = asked.last[number]
        around = None
        if context:
            place = row.passage.place
            passages = self._truth.neighbours(row.document, place - context, place + context)
            around = joined(passages, overlap=self._config.chunking.overlap) or row.passage.text
        return FoundPassage(
            passage=row.passage,
            fields=read_fields(row.fields),
            source=row.source,
            score=asked.scores[number][stage],
            stage=stage,
            scores=asked.scores[number],
            ranks=asked.ranks[number],
            truncated=number in asked.cut,
            context=around,
        )


def rerank(queries: Sequence[Asked], reranking: Reranking, depth: int, share: float) -> None:
    """Put the first `depth` passages of each query in the reranker's order; the others stay behind them in theirs.

    With a share below 1 the first stage's scores count in that order, too.
    """
    with _timed(queries, "rerank") as found:
        heads = [asked.order[:depth] for asked in queries]
        texts = [
            [asked.rows[number].passage.full_text for number in head]
            for asked, head in zip(queries, heads, strict=True)
        ]
        rankings = reranking.rank([asked.text for asked in queries], texts)
        for asked, head, ranking in zip(queries, heads, rankings, strict=True):
            # A server may have no score for a document: it stays where the first stage put it, behind those that have.
            scored = [one for one in ranking if one.error is None and not one.pending]
            before = {number: asked.scores[number][asked.last[number]] for number in head}
            hits = [Hit(head[one.index], float(one.score)) for one in scored]
            asked.note("rerank", hits)
            asked.cut = {head[one.index] for one in scored if one.truncated}
            if share < 1:
                hits = blend(hits, before, share**asked.trust)
                asked.note("blend", hits)
            first = [int(hit.id) for hit in hits]
            known = set(first)
            asked.order = first + [number for number in asked.order if number not in known]
            found.append(len(scored))


def joined(passages: Iterable[Passage], *, overlap: int = Chunking().overlap) -> str:
    """Return the text of neighbours, with what a passage repeats of the one before it, at most `overlap`, once."""
    text = ""
    for passage in passages:
        longest = min(len(text), len(passage.text), overlap)
        shared = next((n for n in range(longest, _OVERLAP - 1, -1) if text.endswith(passage.text[:n])), 0)
        text = text + passage.text[shared:] if shared else f"{text}\n{passage.text}" if text else passage.text
    return text


def _chosen(view: View, wanted: Sequence[str] | None, config: Config) -> Mapping[str, Store]:
    if wanted is None:
        return view.stores
    if not wanted or any(name not in config.stores for name in wanted):
        raise InputError(f"stores is {list(wanted)}, expected some of {', '.join(config.stores)}")
    for name in wanted:
        if name in view.failures:
            raise InputError(f"the store {name!r} could not take the last changes: {view.failures[name]}")
    return {name: store for name, store in view.stores.items() if name in wanted}


def _chosen_passages(asked: Asked, request: Request, reranked: bool) -> Iterator[int]:
    """Give the passages that are answered, best first."""
    left = request.top_k
    of_document: Counter[int] = Counter()
    for number in asked.order:
        if left == 0:
            return
        if request.threshold is not None:
            unscored = reranked and asked.last[number] != "rerank"
            if unscored or asked.scores[number][asked.last[number]] < request.threshold:
                continue
        document = asked.rows[number].document
        of_document[document] += 1
        if request.per_document is None or of_document[document] <= request.per_document:
            left -= 1
            yield number


@contextmanager
def _timed(queries: Sequence[Asked], name: str) -> Iterator[list[int]]:
    """Note a stage with each query's share of its time; the block fills in how many passages each query has."""
    found: list[int] = []
    started = time.perf_counter()
    yield found
    share = (time.perf_counter() - started) / len(queries)
    for asked, count in zip(queries, found, strict=True):
        asked.stages.append(Stage(name, share, count))

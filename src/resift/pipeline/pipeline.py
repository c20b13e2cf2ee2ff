"""The API: a folder of documents that can be searched."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from resift.closing import Closing
from resift.documents import Chunking, Columns
from resift.errors import InputError
from resift.pipeline import config as configuration
from resift.pipeline.blending import usual_share
from resift.pipeline.creating import EncoderSpec, begin, make_config
from resift.pipeline.entries import Addable
from resift.pipeline.filters import Where
from resift.pipeline.indexing import Indexing, Progress
from resift.pipeline.measuring import Measurement, Relevant, measure
from resift.pipeline.opening import describe, open_folder, refresh
from resift.pipeline.records import Changes, PipelineInfo, SearchResult, StoredDocument
from resift.pipeline.request import DEEPEST, Request, capped, check_depth, check_ids, check_queries
from resift.pipeline.reranking import RankerSpec, Reranking
from resift.retrieval.protocols import Store
from resift.text.inputs import as_list


class Pipeline(Closing):
    """A folder of documents: search finds passages in its stores, fuses the lists and reranks the best.

    >>> with Pipeline.create(folder) as pipeline:  # doctest: +SKIP
    ...     pipeline.add(["Paris is the capital of France.", "Berlin is in Germany."])
    ...     print(pipeline.search("capital of France")[0].text)
    Paris is the capital of France.

    One object at a time writes to a folder; any number, in any process, read it. Safe from many threads at once.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        reranker: RankerSpec = None,
        writable: bool = True,
        encoder: EncoderSpec = None,
        own_stores: Mapping[str, Store] | None = None,
        milvus_token: str | None = None,
        max_depth: int = DEEPEST,
    ) -> None:
        """Open a folder that `create` made.

        A writer brings its stores to the last change first, where a crash left them behind; a store whose files are
        missing or broken is made again from the documents. A reader sees what was saved last.

        Args:
            folder: of the pipeline.
            reranker: a `Reranker` or a `Client`, or the name of a model, or a server's address; None for the embedded
                model, which is loaded with the first search; False for none.
            writable: False to search while another process writes, or where nothing may be written.
            encoder: the encoder, where the folder could not hold it: a function or an object. It has the same name.
            own_stores: the stores of yours that `create` was given, by their names.
            milvus_token: of a Milvus server; it is not kept in the folder.
            max_depth: passages of a query that are reranked at most.

        Raises:
            InputError: there is no pipeline, or one of a newer version, or it was made with something else.
            FolderBusy: another one writes to the folder.
            StoreDamaged: the documents themselves cannot be read; for a reader, a store neither.
        """
        self._max_depth = check_depth(max_depth)
        self._reranking = Reranking(reranker)
        self._share = usual_share(reranker)
        self._opened = open_folder(
            Path(folder), writable=writable, encoder=encoder, own=own_stores or {}, token=milvus_token
        )

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        stores: Iterable[str] | Mapping[str, Mapping[str, object]] = ("bm25",),
        encoder: EncoderSpec = "resift",
        analyzer: str = "ngrams",
        faiss_kind: str = "flat",
        milvus: str | None = None,
        own_stores: Mapping[str, Store] | None = None,
        chunking: Chunking | None = None,
        template: str | None = None,
        columns: Columns | None = None,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
        reranker: RankerSpec = None,
        milvus_token: str | None = None,
        max_depth: int = DEEPEST,
    ) -> Self:
        """Make a pipeline in a folder that is not there or empty, and open it for writing.

        Args:
            folder: where everything is kept.
            stores: some of `bm25`, `faiss` and `milvus`; or their options by name, those of `BM25.open` and so on.
            encoder: of dense stores: see `resift.retrieval.as_encoder`. What is no text must be given again at opening.
            analyzer: of bm25: how texts become terms.
            faiss_kind: `flat`, `hnsw` or `ivf`.
            milvus: the address of a server; None for a file in the folder.
            own_stores: further stores, by name, of the protocol `resift.retrieval.Store`.
            chunking: how long passages are.
            template: the text of rows: see `Reranker`.
            columns: which fields of rows are their id, title and text.
            fusion: `rrf`, `weighted`, `weighted:` and a normalisation, or `covered`, which counts bm25 less the less
                of a query it covers; None for `rrf`, or `covered` where the embedded model's vectors are beside it.
            weights: of the stores in the fusion, 1 where none is named; None: 0.3 for these vectors.
            reranker: as of `Pipeline`, and like the next two not kept in the folder.
            milvus_token: see there.
            max_depth: see there.

        Raises InputError where there is a pipeline already, or anything else.
        """
        config = make_config(
            stores=stores,
            encoder=encoder,
            analyzer=analyzer,
            faiss_kind=faiss_kind,
            milvus=milvus,
            own=list(own_stores or {}),
            chunking=chunking,
            template=template,
            columns=columns,
            fusion=fusion,
            weights=weights,
        )
        place = begin(Path(folder), config)
        try:
            return cls(
                place,
                reranker=reranker,
                encoder=encoder if config.encoder is None else None,
                own_stores=own_stores,
                milvus_token=milvus_token,
                max_depth=max_depth,
            )
        except BaseException:
            # A missing library or a wrong option: nothing was in there, and the next try finds nothing.
            (place / configuration.FILE).unlink(missing_ok=True)
            raise

    @staticmethod
    def exists(folder: str | Path) -> bool:
        """Return whether there is a pipeline in the folder."""
        return (Path(folder) / configuration.FILE).is_file()

    def add(self, documents: Iterable[Addable], *, progress: Progress | None = None) -> Changes:
        """Add documents, replacing those of the same id; what is there unchanged costs nothing.

        They are read some at a time and never all in memory. Each such batch is in, or not, whatever happens. When the
        call returns, all of it is durable and in all stores. When it raises, batches before are in, and the call may
        be repeated.

        Args:
            documents: of `resift.documents.read_documents`; rows, mappings with an `id`; texts.
            progress: called after each batch with what was changed so far.

        Raises InputError for two documents of one id, and for what is no document.
        """
        return self._writing().add(documents, progress=progress)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; returns how many of them were there."""
        return self._writing().delete(check_ids(as_list(ids, "ids")))

    def sync(
        self,
        documents: Iterable[Addable],
        *,
        where: Where | None = None,
        allow_empty: bool = False,
        progress: Progress | None = None,
    ) -> Changes:
        """Add documents, and delete those that are not among them; nothing is deleted when reading them fails.

        Args:
            documents: as for `add`.
            where: only documents of which this is true are deleted: one source of several.
            allow_empty: no documents at all are not a mistake.
            progress: as for `add`.
        """
        return self._writing().sync(documents, where=where, allow_empty=allow_empty, progress=progress)

    def compact(self) -> int:
        """Forget replaced and deleted documents and give their space back; returns how many passages that were.

        Readers that have not been refreshed since find less until they are.
        """
        return self._writing().compact()

    def search(
        self,
        query: str,
        *,
        top_k: int = 10,
        recall: int = 100,
        depth: int = 50,
        where: Where | None = None,
        rerank: bool = True,
        threshold: float | None = None,
        blend: float | None = None,
        per_document: int | None = None,
        context: int = 0,
        explain: bool | int = False,
        stores: Sequence[str] | None = None,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> SearchResult:
        """Return the best passages for a query; an empty one finds nothing.

        Args:
            query: in any language.
            top_k: passages that are returned at most.
            recall: passages that each store is asked for.
            depth: of the first stage's passages, how many are reranked; the others stay behind them, as they were.
            where: conditions on the documents' fields, such as `{"lang": "zh", "price": {"lt": 100}}`: see
                `resift.pipeline.filters`.
            rerank: False for the order of the first stage.
            threshold: leave out what has a lower score of the last stage.
            blend: the reranker's share in the order of what is reranked, the rest is the first stage's; None for 1, or
                for 0.5 with the embedded model: `resift.pipeline.blending` says why, and when it is more.
            per_document: passages of one document that are returned at most.
            context: neighbours on each side whose text is given with each passage.
            explain: True, or for how many of the first passages the reranker says what each sentence did.
            stores: only these.
            fusion: instead of the pipeline's.
            weights: instead of the pipeline's.
        """
        return self.search_many(
            [query],
            top_k=top_k,
            recall=recall,
            depth=depth,
            where=where,
            rerank=rerank,
            threshold=threshold,
            blend=blend,
            per_document=per_document,
            context=context,
            explain=explain,
            stores=stores,
            fusion=fusion,
            weights=weights,
        )[0]

    def search_many(
        self,
        queries: Iterable[str],
        *,
        top_k: int = 10,
        recall: int = 100,
        depth: int = 50,
        where: Where | None = None,
        rerank: bool = True,
        threshold: float | None = None,
        blend: float | None = None,
        per_document: int | None = None,
        context: int = 0,
        explain: bool | int = False,
        stores: Sequence[str] | None = None,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[SearchResult]:
        """Return the results of many queries, the same as one by one, reranked in one run."""
        texts = as_list(queries, "queries")
        check_queries(texts)
        reranking = self._reranking if rerank and depth > 0 and self._reranking.on else None
        request = Request(
            top_k=top_k,
            recall=recall,
            depth=capped(depth, self._max_depth) if reranking is not None else 0,
            where=where,
            threshold=threshold,
            blend=self._share if blend is None else blend,
            per_document=per_document,
            context=context,
            explain=top_k if explain is True else int(explain),
            stores=stores,
            fusion=fusion,
            weights=weights,
        )
        return self._opened.searching.run(texts, request, reranking)

    async def asearch(
        self,
        query: str,
        *,
        top_k: int = 10,
        recall: int = 100,
        depth: int = 50,
        where: Where | None = None,
        rerank: bool = True,
        threshold: float | None = None,
        blend: float | None = None,
        per_document: int | None = None,
        context: int = 0,
        explain: bool | int = False,
        stores: Sequence[str] | None = None,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> SearchResult:
        """`search` in a worker thread."""
        return await asyncio.to_thread(
            self.search,
            query,
            top_k=top_k,
            recall=recall,
            depth=depth,
            where=where,
            rerank=rerank,
            threshold=threshold,
            blend=blend,
            per_document=per_document,
            context=context,
            explain=explain,
            stores=stores,
            fusion=fusion,
            weights=weights,
        )

    def measure(
        self,
        questions: Iterable[str],
        relevant: Iterable[Relevant],
        *,
        depths: Sequence[int] = (5, 10, 20, 50, 100),
        blends: Sequence[float] | None = None,
        recall: int = 100,
        where: Where | None = None,
        stores: Sequence[str] | None = None,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Measurement:
        """Measure each stage, and reranking to several depths, on questions whose answers are known.

        Args:
            questions: texts; a few hundred tell small differences from chance.
            relevant: for each question the ids of its documents, or of its passages; a mapping has grades.
            depths: that are compared; every passage is scored once.
            blends: that are compared; None for the usual one and 1.
            recall: as of `search`, as are the others.
            where: see there.
            stores: see there.
            fusion: see there.
            weights: see there.
        """
        return measure(
            questions,
            relevant,
            searching=self._opened.searching,
            request=Request(0, recall, max(depths, default=0), where, stores=stores, fusion=fusion, weights=weights),
            depths=depths,
            blends=(self._share, 1.0) if blends is None else blends,
            reranking=self._reranking if self._reranking.on else None,
            known=self._opened.truth.known,
        )

    def warm_up(self) -> None:
        """Load the reranker now instead of with the first search."""
        self._reranking.warm_up()

    @property
    def folder(self) -> Path:
        """Where everything is."""
        return self._opened.folder

    @property
    def info(self) -> PipelineInfo:
        """What is in it and what it was made with; counts, so it takes a moment for millions of passages."""
        return describe(self._opened)

    def __len__(self) -> int:
        """Documents that searches see."""
        return self._opened.truth.count(at=self._opened.shelves.at)

    def get(self, document: str) -> StoredDocument | None:
        """Return a document with its passages, by its id; None where there is none."""
        [name] = check_ids([document])
        return self._opened.truth.document(name, at=self._opened.shelves.at)

    def refresh(self) -> bool:
        """Let a reader see what was saved since; returns whether that is more. Who writes sees everything anyway."""
        return refresh(self._opened)

    def close(self) -> None:
        """Save what is not saved yet, and release files and models; a reranker that was given stays open."""
        try:
            self._opened.close()
        finally:
            self._reranking.close()

    def _writing(self) -> Indexing:
        if self._opened.indexing is None:
            raise InputError(
                f"{self.folder} is open for reading only, or was closed", hint="open it with writable=True"
            )
        return self._opened.indexing

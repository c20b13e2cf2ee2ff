"""Haystack: a retriever and a ranker component."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from resift.errors import InputError, MissingExtra

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.utils import Secret
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "haystack":
        raise
    raise MissingExtra("resift.integrations.haystack", extra="haystack") from None

from resift.client.client import Client
from resift.integrations.lazy import Hit, LazyReranker
from resift.integrations.searching import Content, Found, LazyPipeline, Where
from resift.integrations.wording import wording
from resift.reranker import Reranker
from resift.types import ScoreType


@component
class ResiftRetriever:
    """A retriever over a folder of `resift index`, or over a `Pipeline`: found, fused and reranked passages.

    >>> ResiftRetriever("my-index", top_k=5).run(query="How often does the ferry run?")  # doctest: +SKIP

    Documents carry the fields of theirs and, in `meta`, `relevance_score` with its `stage`, and all `scores` and
    `ranks` by stage.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        pipeline: Any = None,
        top_k: int = 10,
        where: Where | None = None,
        rerank: bool = True,
        reranker: str | Path | None = None,
        content: Content = "full_text",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what finds; nothing is opened before `warm_up`, or the first run.

        Args:
            folder: that `Pipeline.create` or `resift index` made; it is read, so that another process may write to it.
            pipeline: a `Pipeline` of yours instead, or another object with `search`; such a component cannot be
                serialised.
            top_k: documents to return.
            where: conditions on the documents' fields: `{"lang": "zh", "price": {"lt": 100}}`.
            rerank: False for the order of the first stage.
            reranker: with a folder: the name of a model, or the address of a server; None for the embedded model.
            content: what the content of a document is: with title and headings; `text` without; `context` with the
                passages around it.
            options: further arguments of `Pipeline.search`: `{"depth": 30, "per_document": 1}`.

        Raises:
            InputError: arguments that do not fit together.
        """
        self._lazy = LazyPipeline(
            folder,
            pipeline=pipeline,
            top_k=top_k,
            where=where,
            rerank=rerank,
            reranker=reranker,
            content=content,
            options=options,
        )
        self.folder = self._lazy.folder
        self.pipeline = pipeline
        self.top_k = top_k
        self.where = where
        self.rerank = rerank
        self.reranker = None if reranker is None else str(reranker)
        self.content = content
        self.options = self._lazy.options

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int | None = None, where: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `{"documents": [...]}`, best first; None takes what the component was made with."""
        return {"documents": [_document(one) for one in self._lazy.search(query, top_k=top_k, where=where)]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, top_k: int | None = None, where: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """`run`; the event loop goes on meanwhile."""
        return {"documents": [_document(one) for one in await self._lazy.asearch(query, top_k=top_k, where=where)]}

    def warm_up(self) -> None:
        """Open the folder now."""
        self._lazy.warm_up()

    async def warm_up_async(self) -> None:
        """`warm_up` in a thread."""
        await asyncio.to_thread(self._lazy.warm_up)

    def close(self) -> None:
        """Release the folder and the model; the next run opens them again."""
        self._lazy.close()

    async def close_async(self) -> None:
        """`close` in a thread."""
        await asyncio.to_thread(self._lazy.close)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes it of; raises InputError when it was given a ready-made pipeline."""
        if self.pipeline is not None:
            raise InputError(
                "a ResiftRetriever of a ready-made pipeline cannot be serialised", hint="say folder= instead"
            )
        written: dict[str, Any] = default_to_dict(
            self,
            folder=self.folder,
            top_k=self.top_k,
            where=self.where,
            rerank=self.rerank,
            reranker=self.reranker,
            content=self.content,
            options=self.options,
        )
        return written

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the component that `to_dict` described."""
        made: Self = default_from_dict(cls, data)
        return made


@component
class ResiftRanker:
    """A ranker that puts the documents that answer the query first.

    >>> ranker = ResiftRanker(top_k=1)
    >>> documents = [Document(content="Berlin lies on the Spree."), Document(content="Paris is the capital of France.")]
    >>> ranker.run(query="capital of France", documents=documents)["documents"][0].content
    'Paris is the capital of France.'

    Documents come back as copies with a new score, which is None, last, where a server could not score them.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        url: str | None = None,
        api_key: Secret | None = None,
        top_k: int | None = 10,
        scale_score: bool = True,
        score_threshold: float | None = None,
        meta_fields_to_embed: Sequence[str] | None = None,
        embedding_separator: str = "\n",
        template: str | None = None,
        options: Mapping[str, Any] | None = None,
        reranker: Reranker | Client | None = None,
    ) -> None:
        r"""Say what scores; nothing is loaded before `warm_up`, or the first run.

        Args:
            model: None for the embedded model, a folder or a hub id; with a url one of the server's models.
            url: of a server (`resift serve`); None loads the model into this process.
            api_key: of the server.
            top_k: documents to return; None for all.
            scale_score: sigmoids, 0..1; False for raw logits.
            score_threshold: drop documents with a lower score, on that scale.
            meta_fields_to_embed: metadata that are read before the content.
            embedding_separator: between these and the content.
            template: instead of them: `"{title} ({year})\n{content}"`.
            options: further arguments of `Reranker`, or of `Client` with a url.
            reranker: one of yours instead of model, url and options; such a component cannot be serialised.

        Raises:
            InputError: arguments that do not fit together.
        """
        _check_top_k(top_k)
        self.model = None if model is None else str(model)
        self.url = url
        self.api_key = api_key
        self.top_k = top_k
        self.scale_score = scale_score
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = list(meta_fields_to_embed or ())
        self.embedding_separator = embedding_separator
        self.template = template
        self.reranker = reranker
        self._wording = wording("content", meta_fields_to_embed, template, embedding_separator)
        key = None if api_key is None else api_key.resolve_value
        self._lazy = LazyReranker(model, url=url, api_key=key, options=options, reranker=reranker)
        self.options = self._lazy.options

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        scale_score: bool | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """Return `{"documents": [...]}`, best first; None takes what the component was made with.

        Of documents with the same id the one with the highest score takes part. Raises InputError for a `top_k`
        below 1.
        """
        unique, asked = self._asked(documents, top_k, scale_score, score_threshold)
        return _answer(unique, self._lazy.rank(query, self._texts(unique), **asked))

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        scale_score: bool | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """`run`; the event loop goes on meanwhile."""
        unique, asked = self._asked(documents, top_k, scale_score, score_threshold)
        return _answer(unique, await self._lazy.arank(query, self._texts(unique), **asked))

    def warm_up(self) -> None:
        """Load the model now. Of a server nothing is asked."""
        self._lazy.warm_up()

    async def warm_up_async(self) -> None:
        """`warm_up` in a thread."""
        await asyncio.to_thread(self._lazy.warm_up)

    def close(self) -> None:
        """Release the model; the next run loads it again."""
        self._lazy.close()

    async def close_async(self) -> None:
        """Release the model and the connections of this event loop."""
        await self._lazy.aclose()

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes it of; raises InputError when it was given a ready-made reranker."""
        if self.reranker is not None:
            raise InputError(
                "a ResiftRanker of a ready-made reranker cannot be serialised", hint="say model= or url= instead"
            )
        written: dict[str, Any] = default_to_dict(
            self,
            model=self.model,
            url=self.url,
            api_key=self.api_key,
            top_k=self.top_k,
            scale_score=self.scale_score,
            score_threshold=self.score_threshold,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            template=self.template,
            options=self.options,
        )
        return written

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the component that `to_dict` described."""
        made: Self = default_from_dict(cls, data)
        return made

    def _asked(
        self,
        documents: Sequence[Document],
        top_k: int | None,
        scale_score: bool | None,
        score_threshold: float | None,
    ) -> tuple[list[Document], dict[str, Any]]:
        """Return the documents that take part, and the arguments of this run."""
        _check_top_k(top_k)
        scaled = self.scale_score if scale_score is None else scale_score
        scores: ScoreType = "sigmoid" if scaled else "raw"
        return _unique(documents), {
            "top_k": self.top_k if top_k is None else top_k,
            "threshold": self.score_threshold if score_threshold is None else score_threshold,
            "scores": scores,
        }

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        return [self._wording.text(document.content, document.meta) for document in documents]


def _document(found: Found) -> Document:
    return Document(id=found.id, content=found.text, meta=found.metadata, score=found.score)


def _answer(documents: Sequence[Document], hits: Sequence[Hit]) -> dict[str, list[Document]]:
    return {"documents": [replace(documents[hit.index], score=hit.score) for hit in hits]}


def _unique(documents: Sequence[Document]) -> list[Document]:
    best: dict[str, Document] = {}
    for document in documents:
        known = best.get(document.id)
        if known is None or _order(document) > _order(known):
            best[document.id] = document
    return list(best.values())


def _order(document: Document) -> float:
    return float("-inf") if document.score is None else float(document.score)


def _check_top_k(top_k: int | None) -> None:
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise InputError(f"top_k is {top_k!r}, expected a whole number of at least 1")

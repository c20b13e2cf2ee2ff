"""LangChain: a retriever, a document compressor and a cross-encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resift.closing import Closing
from resift.errors import MissingExtra

try:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
        Callbacks,
    )
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.load.serializable import Serializable
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnableLambda
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "langchain_core":
        raise
    raise MissingExtra("resift.integrations.langchain", extra="langchain") from None

from pydantic import ConfigDict, Field, PrivateAttr

from resift.integrations.backed import Backed
from resift.integrations.lazy import Hit
from resift.integrations.searching import Content, Found, LazyPipeline
from resift.integrations.wording import Wording, wording


class _Written(Serializable):
    """`dumps` and `loads` of LangChain."""

    model_config = ConfigDict(extra="forbid")  # LangChain's own would let a misspelt argument pass

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Say yes."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The key is never written; `loads` finds it under this name."""
        return {"api_key": "RESIFT_API_KEY"}


class ResiftRetriever(_Written, BaseRetriever, Closing):
    """A retriever over a folder of `resift index`, or over a `Pipeline`: found, fused and reranked passages.

    >>> ResiftRetriever(folder="my-index", top_k=5).invoke("How often does the ferry run?")  # doctest: +SKIP

    Documents carry the fields of theirs and, in `metadata`, `relevance_score` with its `stage`, and all `scores` and
    `ranks` by stage. A call may ask otherwise: `invoke(question, top_k=3, where={"lang": "zh"})`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    folder: str | Path | None = Field(default=None, frozen=True)
    """That `Pipeline.create` or `resift index` made; it is read, so that another process may write to it."""
    pipeline: Any = Field(default=None, frozen=True, exclude=True, repr=False)
    """A `Pipeline` of yours instead, or another object with `search`. Then this one cannot be written out."""
    top_k: int = Field(default=10, frozen=True)
    """Documents of an answer."""
    where: dict[str, Any] | None = Field(default=None, frozen=True)
    """Conditions on the documents' fields: `{"lang": "zh", "price": {"lt": 100}}`."""
    rerank: bool = Field(default=True, frozen=True)
    """False for the order of the first stage."""
    reranker: str | Path | None = Field(default=None, frozen=True)
    """With a folder: the name of a model, or the address of a server; None for the embedded model."""
    content: Content = Field(default="full_text", frozen=True)
    """What `page_content` is: with title and headings; `text` without; `context` with the passages around it."""
    options: dict[str, Any] = Field(default_factory=dict, frozen=True)
    """Further arguments of `Pipeline.search`: `{"depth": 30, "per_document": 1}`."""

    _lazy: LazyPipeline = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check the fields; nothing is opened yet."""
        super().model_post_init(context)
        self._lazy = LazyPipeline(
            self.folder,
            pipeline=self.pipeline,
            top_k=self.top_k,
            where=self.where,
            rerank=self.rerank,
            reranker=self.reranker,
            content=self.content,
            options=self.options,
        )
        for name in ("folder", "reranker"):
            if getattr(self, name) is not None:
                self.__dict__[name] = str(getattr(self, name))

    @property
    def lc_secrets(self) -> dict[str, str]:
        """There are none."""
        return {}

    def warm_up(self) -> None:
        """Open the folder now instead of with the first question."""
        self._lazy.warm_up()

    def close(self) -> None:
        """Release the folder and the model; the next question opens them again."""
        self._lazy.close()

    def __getstate__(self) -> dict[Any, Any]:
        """Refuse what a copy would silently do without."""
        self._lazy.__reduce__()
        state: dict[Any, Any] = super().__getstate__()
        return state

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 (LangChain passes it by name)
        top_k: int | None = None,
        where: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(one) for one in self._lazy.search(query, top_k=top_k, where=where)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
        top_k: int | None = None,
        where: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(one) for one in await self._lazy.asearch(query, top_k=top_k, where=where)]


class ResiftRerank(Backed, _Written, BaseDocumentCompressor):
    """A document compressor that keeps the documents that answer the question.

    >>> compressor = ResiftRerank(top_n=1)
    >>> documents = [Document("Berlin lies on the Spree."), Document("Paris is the capital of France.")]
    >>> [best] = compressor.compress_documents(documents, "capital of France")
    >>> best.page_content
    'Paris is the capital of France.'

    Put it into a `ContextualCompressionRetriever`. What comes back are copies, best first, whose metadata have a
    `relevance_score`; it is None, and `relevance_error` says why, where a server could not score a document.
    """

    top_n: int | None = Field(default=3, ge=0)
    """Documents to keep; None keeps all."""
    threshold: float | None = None
    """Drop documents with a lower score, on the scale of `scores`."""
    fields: Sequence[str] = Field(default=(), frozen=True)
    """Metadata that are read before the text, e.g. `["title"]`."""
    template: str | None = Field(default=None, frozen=True)
    """Instead of `fields`: `"{title} ({year})\\n{page_content}"`."""

    _wording: Wording = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check fields and template too."""
        super().model_post_init(context)
        self._wording = wording("page_content", self.fields, self.template)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return the best documents, best first, as copies. Callbacks see a run named `ResiftRerank`."""
        found: list[Document] = self._run().invoke(
            {"query": query, "documents": list(documents)}, config={"callbacks": callbacks}
        )
        return found

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return the best documents; the event loop goes on meanwhile."""
        found: list[Document] = await self._run().ainvoke(
            {"query": query, "documents": list(documents)}, config={"callbacks": callbacks}
        )
        return found

    def _run(self) -> Any:
        return RunnableLambda(self._compress, self._acompress, name=type(self).__name__)

    def _compress(self, asked: dict[str, Any]) -> list[Document]:
        documents = asked["documents"]
        hits = self._lazy.rank(asked["query"], self._texts(documents), top_k=self.top_n, threshold=self.threshold)
        return [_with_score(documents[hit.index], hit) for hit in hits]

    async def _acompress(self, asked: dict[str, Any]) -> list[Document]:
        documents = asked["documents"]
        texts = self._texts(documents)
        hits = await self._lazy.arank(asked["query"], texts, top_k=self.top_n, threshold=self.threshold)
        return [_with_score(documents[hit.index], hit) for hit in hits]

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        return [self._wording.text(document.page_content, document.metadata) for document in documents]


class ResiftCrossEncoder(Backed, _Written, BaseCrossEncoder):
    """A cross-encoder for whatever takes one, such as LangChain's `CrossEncoderReranker`.

    >>> ResiftCrossEncoder().score([("capital of France", "Paris is the capital of France.")])[0] > 0.5
    True
    """

    def score(self, text_pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return the score of each (query, document) pair, in input order."""
        return self._lazy.score(text_pairs)

    async def ascore(self, text_pairs: Sequence[tuple[str, str]]) -> list[float]:
        """`score`; the event loop goes on meanwhile."""
        return await self._lazy.ascore(text_pairs)


def _with_score(document: Document, hit: Hit) -> Document:
    added: dict[str, Any] = {"relevance_score": hit.score}
    if hit.error is not None:
        added["relevance_error"] = hit.error
    return document.model_copy(update={"metadata": {**document.metadata, **added}})


def _document(found: Found) -> Document:
    return Document(found.text, id=found.id, metadata=found.metadata)

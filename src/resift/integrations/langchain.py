"""LangChain: a document compressor and a cross-encoder."""

from collections.abc import Sequence
from typing import Any

from resift.errors import MissingExtra

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.load.serializable import Serializable
    from langchain_core.runnables import RunnableLambda
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "langchain_core":
        raise
    raise MissingExtra("resift.integrations.langchain", extra="langchain") from None

from pydantic import ConfigDict, Field, PrivateAttr

from resift.integrations.backed import Backed
from resift.integrations.lazy import Hit
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

"""LlamaIndex: a retriever and a node postprocessor."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resift.closing import Closing
from resift.errors import InputError, MissingExtra

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import (
        MetadataMode,
        NodeRelationship,
        NodeWithScore,
        QueryBundle,
        RelatedNodeInfo,
        TextNode,
    )
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "llama_index":
        raise
    raise MissingExtra("resift.integrations.llama_index", extra="llama-index") from None

from pydantic import Field

from resift.integrations.backed import Backed
from resift.integrations.lazy import Hit
from resift.integrations.searching import ADDED, TITLES, Content, Found, LazyPipeline, Where

_dispatcher = get_dispatcher(__name__)
_KEPT = "retrieval_score"


class ResiftRetriever(BaseRetriever, Closing):
    """A retriever over a folder of `resift index`, or over a `Pipeline`: found, fused and reranked passages.

    >>> ResiftRetriever("my-index", top_k=5).retrieve("How often does the ferry run?")  # doctest: +SKIP

    Nodes carry the fields of their documents, which language models get to read; and `relevance_score` with its
    `stage`, and all `scores` and `ranks` by stage, which they do not.
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
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Say what finds; nothing is opened before the first question.

        Args:
            folder: that `Pipeline.create` or `resift index` made; it is read, so that another process may write to it.
            pipeline: a `Pipeline` of yours instead, or another object with `search`.
            top_k: nodes of an answer.
            where: conditions on the documents' fields: `{"lang": "zh", "price": {"lt": 100}}`.
            rerank: False for the order of the first stage.
            reranker: with a folder: the name of a model, or the address of a server; None for the embedded model.
            content: what the text of a node is: with title and headings; `text` without; `context` with the passages
                around it.
            options: further arguments of `Pipeline.search`: `{"depth": 30, "per_document": 1}`.
            callback_manager: LlamaIndex' own.

        Raises:
            InputError: arguments that do not fit together.
        """
        super().__init__(callback_manager=callback_manager)
        self._titled = content == "full_text"
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

    def warm_up(self) -> None:
        """Open the folder now instead of with the first question."""
        self._lazy.warm_up()

    def close(self) -> None:
        """Release the folder and the model; the next question opens them again."""
        self._lazy.close()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [self._node(one) for one in self._lazy.search(query_bundle.query_str)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [self._node(one) for one in await self._lazy.asearch(query_bundle.query_str)]

    def _node(self, found: Found) -> NodeWithScore:
        # Subtle: what is not hidden is put before the text that the language model reads, which begins with the titles.
        hidden = [*ADDED, *(TITLES if self._titled else ())]
        node = TextNode(
            id_=found.id,
            text=found.text,
            metadata=found.metadata,
            excluded_embed_metadata_keys=hidden,
            excluded_llm_metadata_keys=hidden,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=found.metadata["document"])},
        )
        return NodeWithScore(node=node, score=found.score)


class ResiftRerank(Backed, BaseNodePostprocessor):
    """A node postprocessor that keeps the nodes that answer the question.

    >>> from llama_index.core.schema import TextNode
    >>> texts = ["Berlin lies on the Spree.", "Paris is the capital of France."]
    >>> nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    >>> ResiftRerank(top_n=1).postprocess_nodes(nodes, query_str="capital of France")[0].text
    'Paris is the capital of France.'

    Give it to a query engine as one of its `node_postprocessors`. The nodes that were given stay as they are. A node
    that a server could not score has the score None and comes last.
    """

    top_n: int | None = Field(default=3, ge=0)
    """Nodes to keep; None keeps all."""
    threshold: float | None = None
    """Drop nodes with a lower score, on the scale of `scores`."""
    keep_retrieval_score: bool = False
    """Keep the score that a node came with in its metadata, as `retrieval_score`, which no model gets to read."""
    metadata_mode: MetadataMode = MetadataMode.EMBED
    """What of a node is read: text and metadata as for embedding; MetadataMode.NONE for the text alone."""

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex writes it."""
        return "ResiftRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        with self._reported(nodes, query_bundle) as (query, found):
            hits = self._lazy.rank(query, self._texts(nodes), top_k=self.top_n, threshold=self.threshold)
            found.extend(self._ranked(nodes, hits))
        return found

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        with self._reported(nodes, query_bundle) as (query, found):
            hits = await self._lazy.arank(query, self._texts(nodes), top_k=self.top_n, threshold=self.threshold)
            found.extend(self._ranked(nodes, hits))
        return found

    @contextmanager
    def _reported(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None
    ) -> Iterator[tuple[str, list[NodeWithScore]]]:
        """Tell LlamaIndex' callbacks and instrumentation what is asked, and what was found when it is left."""
        if query_bundle is None:
            raise InputError("there is no query", hint="give query_str= or query_bundle=")
        found: list[NodeWithScore] = []
        top_n = len(nodes) if self.top_n is None else self.top_n
        _dispatcher.event(ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=top_n, model_name=self._lazy.name))
        payload = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self._lazy.name,
            EventPayload.QUERY_STR: query_bundle.query_str,
            EventPayload.TOP_K: top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield query_bundle.query_str, found
            event.on_end(payload={EventPayload.NODES: found})
        _dispatcher.event(ReRankEndEvent(nodes=found))

    def _texts(self, nodes: Sequence[NodeWithScore]) -> list[str]:
        return [item.node.get_content(metadata_mode=self.metadata_mode) for item in nodes]

    def _ranked(self, nodes: Sequence[NodeWithScore], hits: Sequence[Hit]) -> list[NodeWithScore]:
        return [self._with_score(nodes[hit.index], hit.score) for hit in hits]

    def _with_score(self, item: NodeWithScore, score: float | None) -> NodeWithScore:
        node = item.node
        if self.keep_retrieval_score:
            # Subtle: metadata are part of the text that embeddings, this reranker and the language model read.
            node = node.model_copy(
                update={
                    "metadata": {**node.metadata, _KEPT: item.score},
                    "excluded_embed_metadata_keys": _including(node.excluded_embed_metadata_keys),
                    "excluded_llm_metadata_keys": _including(node.excluded_llm_metadata_keys),
                }
            )
        return item.model_copy(update={"node": node, "score": score})


def _including(names: Sequence[str]) -> list[str]:
    return [*names] if _KEPT in names else [*names, _KEPT]

"""LlamaIndex: a node postprocessor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from resift.errors import InputError, MissingExtra

try:
    from llama_index.core.callbacks import CBEventType, EventPayload
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "llama_index":
        raise
    raise MissingExtra("resift.integrations.llama_index", extra="llama-index") from None

from pydantic import Field

from resift.integrations.backed import Backed
from resift.integrations.lazy import Hit

_dispatcher = get_dispatcher(__name__)
_KEPT = "retrieval_score"


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

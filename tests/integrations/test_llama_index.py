"""LlamaIndex' own classes with ours inside."""

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resift import Pipeline, Reranker
from resift.errors import InputError
from tests.integrations.samples import BEST, QUERY, TEXTS, Patient, awaited, expected, unchanged


def nodes() -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text, id_=str(i)), score=0.1 * i) for i, text in enumerate(TEXTS)]


def postprocessor(**arguments: Any) -> Any:
    from resift.integrations.llama_index import ResiftRerank

    return ResiftRerank(**arguments)


def found(ranked: list[Any]) -> list[tuple[int, float]]:
    return [(int(item.node.node_id), item.score) for item in ranked]


@pytest.mark.parametrize("served", [False, True], ids=["model", "server"])
def test_scores_are_those_of_reranker(served: bool, request: pytest.FixtureRequest) -> None:
    where = {"url": request.getfixturevalue("url")} if served else {}
    given = nodes()
    with postprocessor(top_n=None, **where) as ranker, unchanged(given):
        assert found(ranker.postprocess_nodes(given, query_str=QUERY)) == expected()
        assert found(awaited(ranker, ranker.apostprocess_nodes(given, query_str=QUERY))) == expected()
    with postprocessor(top_n=2, scores="raw", **where) as ranker:
        assert found(ranker.postprocess_nodes(given, query_str=QUERY)) == expected(scores="raw")[:2]


def test_no_nodes_no_query_and_zero() -> None:
    ranker = postprocessor()
    assert ranker.postprocess_nodes([], query_str=QUERY) == []
    with pytest.raises(InputError, match="there is no query"):
        ranker.postprocess_nodes(nodes())
    raw = expected(scores="raw")
    with postprocessor(top_n=None, scores="raw", threshold=0.0) as ranker:
        assert found(ranker.postprocess_nodes(nodes(), query_str=QUERY)) == [one for one in raw if one[1] >= 0] != raw


def test_metadata_are_read_as_for_embedding() -> None:
    from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

    given = [
        NodeWithScore(
            node=TextNode(
                text=text,
                id_=str(i),
                metadata={"title": f"Title {i}", "path": "/secret"},
                excluded_embed_metadata_keys=["path"],
            )
        )
        for i, text in enumerate(TEXTS)
    ]
    texts = [item.node.get_content(MetadataMode.EMBED) for item in given]
    assert "Title 0" in texts[0]
    assert "/secret" not in texts[0]
    with postprocessor(top_n=None) as ranker:
        assert found(ranker.postprocess_nodes(given, query_str=QUERY)) == expected(texts)
    with postprocessor(top_n=None, metadata_mode="none") as ranker:
        assert found(ranker.postprocess_nodes(given, query_str=QUERY)) == expected()


def test_the_retrieval_score_is_kept_where_no_model_reads_it() -> None:
    from llama_index.core.schema import MetadataMode

    given = nodes()
    with postprocessor(top_n=None, keep_retrieval_score=True) as ranker, unchanged(given):
        once = ranker.postprocess_nodes(given, query_str=QUERY)
        again = ranker.postprocess_nodes(once, query_str=QUERY)
    assert once[0].node.metadata == {"retrieval_score": 0.1 * BEST}
    assert again[0].node.metadata == {"retrieval_score": once[0].score}
    assert found(again) == found(once) == expected()
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        assert again[0].node.get_content(mode) == TEXTS[BEST]
    assert "retrieval_score" not in postprocessor().postprocess_nodes(given, query_str=QUERY)[0].node.metadata


def test_callbacks_and_instrumentation_are_told() -> None:
    from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent

    events: list[Any] = []

    class Listening(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            events.append(event)

    debug = LlamaDebugHandler(print_trace_on_end=False)
    listening = Listening()
    root = get_dispatcher()
    root.add_event_handler(listening)
    try:
        with postprocessor(top_n=2, callback_manager=CallbackManager([debug])) as ranker:
            ranker.postprocess_nodes(nodes(), query_str=QUERY)
            asyncio.run(ranker.apostprocess_nodes(nodes(), query_str=QUERY))
    finally:
        root.event_handlers.remove(listening)
    assert [type(one) for one in events] == [ReRankStartEvent, ReRankEndEvent] * 2
    assert (events[0].query.query_str, events[0].top_n, events[0].model_name) == (QUERY, 2, "embedded")
    assert found(events[1].nodes) == expected()[:2]
    pairs = debug.get_event_pairs(CBEventType.RERANKING)
    assert len(pairs) == 2
    for start, end in pairs:
        assert start.payload[EventPayload.MODEL_NAME] == "embedded"
        assert start.payload[EventPayload.TOP_K] == 2
        assert found(end.payload[EventPayload.NODES]) == expected()[:2]


def test_the_event_loop_goes_on() -> None:
    patient = Patient()
    call = postprocessor(reranker=patient).apostprocess_nodes(nodes(), query_str=QUERY)
    assert len(asyncio.run(patient.answers(call))) == 3


@pytest.fixture
def engine() -> Iterator[Any]:
    """A query engine over all texts; its language model says what it was asked."""
    from llama_index.core import MockEmbedding, VectorStoreIndex
    from llama_index.core.llms import MockLLM
    from llama_index.core.schema import TextNode

    texts = [TextNode(text=text, id_=str(i)) for i, text in enumerate(TEXTS)]
    index = VectorStoreIndex(texts, embed_model=MockEmbedding(embed_dim=4))
    with postprocessor(top_n=1) as ranker:
        yield index.as_query_engine(llm=MockLLM(), similarity_top_k=len(TEXTS), node_postprocessors=[ranker])


def test_in_a_query_engine_the_model_reads_the_best_node(engine: Any) -> None:
    answer = engine.query(QUERY)
    assert found(answer.source_nodes) == expected()[:1]
    assert TEXTS[BEST] in str(answer)
    assert not any(text in str(answer) for i, text in enumerate(TEXTS) if i != BEST)


def test_in_a_query_engine_many_questions_at_once(engine: Any) -> None:
    async def many() -> list[Any]:
        return await asyncio.gather(*(engine.aquery(QUERY) for _ in range(8)))

    assert [found(answer.source_nodes) for answer in asyncio.run(many())] == [expected()[:1]] * 8


def test_it_is_written_and_read(url: str) -> None:
    from resift.integrations.llama_index import ResiftRerank

    made = ResiftRerank(
        model="embedded", url=url, api_key="secret", top_n=None, threshold=0.0, scores="raw",
        keep_retrieval_score=True, options={"windows": {"size": 100}, "retries": 0},
    )  # fmt: skip
    assert made.class_name() == made.to_dict()["class_name"] == "ResiftRerank"
    assert "secret" not in made.to_json()
    given = nodes()
    with made:
        first = found(made.postprocess_nodes(given, query_str=QUERY))
    for read in (ResiftRerank.from_dict(made.to_dict()), ResiftRerank.from_json(made.to_json())):
        assert read.to_dict() == made.to_dict()
        with read:
            assert found(read.postprocess_nodes(given, query_str=QUERY)) == first
    with pickle.loads(pickle.dumps(made)) as read:
        assert read.api_key.get_secret_value() == "secret"
        assert found(read.postprocess_nodes(given, query_str=QUERY)) == first


def test_a_ready_made_reranker_is_used_and_not_written() -> None:
    with Reranker() as reranker:
        ranker = postprocessor(reranker=reranker, top_n=None)
        assert found(ranker.postprocess_nodes(nodes(), query_str=QUERY)) == expected()
        with pytest.raises(InputError, match="say model= or url="):
            pickle.dumps(ranker)
        with pytest.raises(TypeError):
            ranker.to_json()
        ranker.close()
        assert reranker.rank(QUERY, TEXTS)


@pytest.mark.parametrize(
    "arguments", [{"top_k": 3}, {"top_n": -1}, {"options": {"precisoin": "int8"}}, {"api_key": "k"}]
)
def test_wrong_arguments_are_told_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        postprocessor(**arguments)


def passages(*args: Any, **arguments: Any) -> Any:
    from resift.integrations.llama_index import ResiftRetriever

    return ResiftRetriever(*args, **arguments)


def test_the_retriever_finds_what_the_pipeline_finds(index: Path) -> None:
    with Pipeline(index, writable=False) as pipeline, passages(index) as retriever:
        expected = pipeline.search(QUERY)
        for found in (retriever.retrieve(QUERY), asyncio.run(retriever.aretrieve(QUERY))):
            assert [one.node_id for one in found] == [hit.id for hit in expected]
            assert [one.score for one in found] == [hit.score for hit in expected]
            assert [one.text for one in found] == [hit.full_text for hit in expected]
            assert found[0].metadata["place"] == BEST
            assert set(found[0].metadata["scores"]) == set(expected[0].scores)
            assert found[0].node.ref_doc_id == expected[0].document
        assert [one.text for one in passages(pipeline=pipeline, top_k=1).retrieve(QUERY)] == [expected[0].full_text]
        assert [one.metadata["place"] for one in passages(pipeline=pipeline, where={"place": 2}).retrieve(QUERY)] == [2]


def test_a_language_model_reads_titles_once_and_no_scores(index: Path) -> None:
    from llama_index.core.schema import MetadataMode

    with passages(index, top_k=1) as retriever:
        [found] = retriever.retrieve(QUERY)
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        read = found.node.get_content(metadata_mode=mode)
        assert read.count(f"Title {BEST}") == 1
        assert "place: 1" in read
        assert "rerank" not in read
    with passages(index, top_k=1, content="text") as retriever:
        [found] = retriever.retrieve(QUERY)
    assert found.text == TEXTS[BEST]
    assert found.node.get_content(metadata_mode=MetadataMode.LLM).count(f"Title {BEST}") == 1


def test_the_retriever_in_a_query_engine(index: Path) -> None:
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    with passages(index, top_k=1) as retriever:
        engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
        for answer in (engine.query(QUERY), asyncio.run(engine.aquery(QUERY))):
            assert TEXTS[BEST] in str(answer)
            assert [node.metadata["place"] for node in answer.source_nodes] == [BEST]

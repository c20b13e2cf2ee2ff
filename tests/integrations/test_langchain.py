"""LangChain's own classes with ours inside."""

import asyncio
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from resift import Pipeline, RankedDocument, Reranker
from resift.errors import InputError, TemplateError
from tests.integrations.samples import BEST, QUERY, TEXTS, Fake, Patient, awaited, expected, unchanged


def documents(texts: list[str] = TEXTS) -> list[Any]:
    from langchain_core.documents import Document

    return [Document(text, id=str(i), metadata={"place": i, "tags": ["a"]}) for i, text in enumerate(texts)]


def compressor(**arguments: Any) -> Any:
    from resift.integrations.langchain import ResiftRerank

    return ResiftRerank(**arguments)


def found(ranked: list[Any]) -> list[tuple[int, float]]:
    return [(document.metadata["place"], document.metadata["relevance_score"]) for document in ranked]


def retriever(texts: list[str] = TEXTS) -> Any:
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class All(BaseRetriever):
        """The first stage: everything, in the order of the store."""

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return documents(texts)

    return All()


@pytest.mark.parametrize("served", [False, True], ids=["model", "server"])
def test_scores_are_those_of_reranker(served: bool, request: pytest.FixtureRequest) -> None:
    where = {"url": request.getfixturevalue("url")} if served else {}
    given = documents()
    with compressor(top_n=None, **where) as ranker, unchanged(given):
        assert found(ranker.compress_documents(given, QUERY)) == expected()
        assert found(awaited(ranker, ranker.acompress_documents(given, QUERY))) == expected()
    with compressor(top_n=2, scores="raw", **where) as ranker:
        best = ranker.compress_documents(given, QUERY)
        assert found(best) == expected(scores="raw")[:2]
        assert best[0].id == str(BEST)
        assert best[0].metadata["tags"] == ["a"]


def test_three_documents_by_default_and_none_of_none() -> None:
    with compressor() as ranker:
        assert len(ranker.compress_documents(documents(), QUERY)) == 3
        assert ranker.compress_documents([], QUERY) == []
        assert asyncio.run(ranker.acompress_documents([], QUERY)) == []


def test_zero_is_a_threshold_and_a_number_of_documents() -> None:
    raw = expected(scores="raw")
    assert raw[-1][1] < 0 < raw[0][1]
    with compressor(top_n=None, scores="raw", threshold=0.0) as ranker:
        assert found(ranker.compress_documents(documents(), QUERY)) == [one for one in raw if one[1] >= 0]
    assert compressor(top_n=0).compress_documents(documents(), QUERY) == []


def test_in_a_contextual_compression_retriever() -> None:
    from langchain_classic.retrievers import ContextualCompressionRetriever

    with compressor(top_n=2) as ranker:
        chain = ContextualCompressionRetriever(base_compressor=ranker, base_retriever=retriever())
        assert found(chain.invoke(QUERY)) == expected()[:2]

        async def many() -> list[Any]:
            return await asyncio.gather(*(chain.ainvoke(QUERY) for _ in range(8)))

        assert [found(one) for one in asyncio.run(many())] == [expected()[:2]] * 8
        assert [found(one) for one in chain.batch([QUERY] * 4)] == [expected()[:2]] * 4


def test_in_a_rag_chain_the_model_reads_the_best_document() -> None:
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough

    with compressor(top_n=1) as ranker:
        best = ContextualCompressionRetriever(base_compressor=ranker, base_retriever=retriever())
        context = best | (lambda documents: "\n".join(document.page_content for document in documents))
        prompt = ChatPromptTemplate.from_template("{context} | {question}")
        model = RunnableLambda(lambda asked: asked.to_messages()[0].content)  # says what it was asked
        chain = {"context": context, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
        assert chain.invoke(QUERY) == f"{TEXTS[BEST]} | {QUERY}"
        assert asyncio.run(chain.ainvoke(QUERY)) == f"{TEXTS[BEST]} | {QUERY}"


def test_callbacks_see_a_run() -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Seen(BaseCallbackHandler):
        def __init__(self) -> None:
            self.events: list[tuple[str, Any]] = []

        def on_chain_start(self, serialized: Any, inputs: Any, **options: Any) -> None:
            self.events.append((options["name"], inputs["query"]))

        def on_chain_end(self, outputs: Any, **_: Any) -> None:
            self.events.append(("end", len(outputs)))

        def on_chain_error(self, error: BaseException, **_: Any) -> None:
            self.events.append(("error", type(error)))

    seen = Seen()
    with compressor(top_n=2) as ranker:
        ranker.compress_documents(documents(), QUERY, callbacks=[seen])
        asyncio.run(ranker.acompress_documents(documents(), QUERY, callbacks=[seen]))
    assert seen.events == [("ResiftRerank", QUERY), ("end", 2)] * 2
    with pytest.raises(TemplateError):
        compressor(template="{title}").compress_documents(documents(), QUERY, callbacks=[seen])
    assert seen.events[-1] == ("error", TemplateError)


def test_the_event_loop_goes_on() -> None:
    patient = Patient()
    call = compressor(reranker=patient).acompress_documents(documents(), QUERY)
    assert len(asyncio.run(patient.answers(call))) == 3


def test_fields_and_template_are_read() -> None:
    from langchain_core.documents import Document

    given = [Document(text, metadata={"place": i, "title": f"Title {i}"}) for i, text in enumerate(TEXTS)]
    with compressor(top_n=None, fields=["title"]) as ranker:
        texts = [f"Title {i}\n{text}" for i, text in enumerate(TEXTS)]
        assert found(ranker.compress_documents(given, QUERY)) == expected(texts)
    with compressor(top_n=None, template="{page_content} ({title})") as ranker:
        texts = [f"{text} (Title {i})" for i, text in enumerate(TEXTS)]
        assert found(ranker.compress_documents(given, QUERY)) == expected(texts)


def test_a_document_that_a_server_could_not_score_says_why() -> None:
    fake = Fake([RankedDocument(1, 0.5, "x"), RankedDocument(0, 0.0, "x", error="it is no text")])
    best, failed = compressor(reranker=fake).compress_documents(documents(), QUERY)
    assert best.metadata == {"place": 1, "tags": ["a"], "relevance_score": 0.5}
    assert failed.metadata["relevance_score"] is None
    assert failed.metadata["relevance_error"] == "it is no text"


def test_it_is_written_and_read_by_langchain(url: str) -> None:
    from langchain_core.load import dumps, loads

    from resift.integrations.langchain import ResiftRerank

    made = ResiftRerank(
        model="embedded", url=url, api_key="secret", top_n=None, threshold=0.0, fields=["place"],
        scores="raw", options={"windows": {"size": 100}, "retries": 0},
    )  # fmt: skip
    written = dumps(made)
    assert "secret" not in written.replace('"type": "secret"', "")
    read = loads(
        written, allowed_objects=[ResiftRerank], valid_namespaces=["resift"], secrets_map={"RESIFT_API_KEY": "secret"}
    )
    assert read.model_dump() == made.model_dump()
    assert read.api_key.get_secret_value() == "secret"
    assert "api_key" not in made.model_dump()
    assert "secret" not in repr(made)
    with made, read:
        assert found(read.compress_documents(documents(), QUERY)) == found(made.compress_documents(documents(), QUERY))


def test_copies() -> None:
    with compressor(top_n=1) as ranker:
        for copied in (pickle.loads(pickle.dumps(ranker)), copy.deepcopy(ranker), ranker.model_copy()):
            assert found(copied.compress_documents(documents(), QUERY)) == expected()[:1]
        raw = ranker.model_copy(update={"scores": "raw", "top_n": 2})
        assert found(raw.compress_documents(documents(), QUERY)) == expected(scores="raw")[:2]
    with Reranker() as reranker, pytest.raises(InputError, match="say model= or url="):
        pickle.dumps(compressor(reranker=reranker))


def test_what_scores_cannot_be_changed_afterwards() -> None:
    ranker = compressor()
    ranker.top_n = 1
    assert ranker.top_n == 1
    for name, value in {"model": "m", "url": "http://x", "scores": "raw", "options": {}, "template": "{a}"}.items():
        with pytest.raises(ValueError, match="frozen"):
            setattr(ranker, name, value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 3}, "top_k"),
        ({"top_n": -1}, "greater than or equal to 0"),
        ({"options": {"precisoin": "int8"}}, "expected some of device, precision"),
        ({"fields": ["a"], "template": "{a}"}, "name the fields in the template"),
        ({"api_key": "key"}, "api_key is for a server"),
        ({"scores": "logit"}, "scores"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compressor(**arguments)


@pytest.mark.parametrize("served", [False, True], ids=["model", "server"])
def test_the_cross_encoder_in_langchain_s_reranker(served: bool, request: pytest.FixtureRequest) -> None:
    from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
    from langchain_core.load import dumps, loads

    from resift.integrations.langchain import ResiftCrossEncoder

    pairs = [(QUERY, text) for text in TEXTS]
    scores = [score for _, score in sorted(expected())]
    where = {"url": request.getfixturevalue("url")} if served else {}
    with ResiftCrossEncoder(**where) as model:
        assert model.score(pairs) == scores
        assert awaited(model, model.ascore(pairs)) == scores
        assert model.score([]) == []
        best = CrossEncoderReranker(model=model, top_n=2).compress_documents(documents(), QUERY)
        assert [document.metadata["place"] for document in best] == [place for place, _ in expected()[:2]]
        written = dumps(model)
        with loads(written, allowed_objects=[ResiftCrossEncoder], valid_namespaces=["resift"]) as read:
            assert read.score(pairs) == scores


def passages(**arguments: Any) -> Any:
    from resift.integrations.langchain import ResiftRetriever

    return ResiftRetriever(**arguments)


def test_the_retriever_finds_what_the_pipeline_finds(index: Path) -> None:
    with Pipeline(index, writable=False) as pipeline, passages(folder=index) as retriever:
        expected = pipeline.search(QUERY)
        for documents in (retriever.invoke(QUERY), asyncio.run(retriever.ainvoke(QUERY))):
            assert [one.id for one in documents] == [hit.id for hit in expected]
            assert [one.metadata["relevance_score"] for one in documents] == [hit.score for hit in expected]
            assert [one.page_content for one in documents] == [hit.full_text for hit in expected]
            assert documents[0].metadata["place"] == BEST
            assert set(documents[0].metadata["scores"]) == set(expected[0].scores)
        assert passages(pipeline=pipeline).invoke(QUERY) == documents
        assert retriever.batch([QUERY, ""]) == [documents, []]


def test_a_call_of_the_retriever_may_ask_otherwise(index: Path) -> None:
    with passages(folder=index, where={"place": {"ge": 1}}, content="text") as retriever:
        assert [one.page_content for one in retriever.invoke(QUERY, top_k=1)] == [TEXTS[BEST]]
        for where in ({"place": 2}, {"place": [2]}):
            [found] = asyncio.run(retriever.ainvoke(QUERY, where=where))
            assert found.metadata["place"] == 2


def test_the_retriever_in_a_chain_is_traced(index: Path) -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    seen: list[Any] = []

    class Handler(BaseCallbackHandler):
        def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
            seen.append((kwargs["name"], query))

        def on_retriever_end(self, documents: Any, **kwargs: Any) -> None:
            seen.append(len(documents))

    with passages(folder=index, top_k=1) as retriever:
        chain = retriever | (lambda documents: documents[0].metadata["place"])
        assert chain.invoke(QUERY, config={"callbacks": [Handler()]}) == BEST
    assert seen == [("ResiftRetriever", QUERY), 1]


def test_the_retriever_is_written_and_read(index: Path) -> None:
    from langchain_core.load import dumps, loads

    from resift.integrations.langchain import ResiftRetriever

    with passages(folder=index, top_k=2, where={"place": [0, 1, 2]}, options={"depth": 3}) as retriever:
        found = retriever.invoke(QUERY)
        written = dumps(retriever)
        read = loads(written, allowed_objects=[ResiftRetriever], valid_namespaces=["resift"])
        for again in (read, pickle.loads(pickle.dumps(retriever)), copy.deepcopy(retriever)):
            with again:
                assert again.invoke(QUERY) == found
    with Pipeline(index, writable=False) as pipeline, pytest.raises(InputError, match="folder="):
        pickle.dumps(passages(pipeline=pipeline))


def test_arguments_of_the_retriever_that_nobody_knows(index: Path) -> None:
    for wrong in ({"folder": index, "top": 3}, {}, {"folder": index, "options": {"nope": 1}}):
        with pytest.raises(ValueError, match=r"top|folder=|nope"):
            passages(**wrong)

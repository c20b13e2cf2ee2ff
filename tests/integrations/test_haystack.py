"""Haystack's own classes with ours inside."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from resift import Pipeline, RankedDocument, Reranker
from resift.errors import InputError
from tests.integrations.samples import BEST, QUERY, TEXTS, Fake, Patient, expected, unchanged

os.environ |= {"HAYSTACK_TELEMETRY_ENABLED": "False"}


def documents() -> list[Any]:
    from haystack import Document

    return [Document(content=text, meta={"place": i, "title": f"Title {i}"}) for i, text in enumerate(TEXTS)]


def ranker(*args: Any, **arguments: Any) -> Any:
    from resift.integrations.haystack import ResiftRanker

    return ResiftRanker(*args, **arguments)


def found(answer: dict[str, Any]) -> list[tuple[int, float]]:
    return [(document.meta["place"], document.score) for document in answer["documents"]]


def raw_above_zero() -> list[tuple[int, float]]:
    raw = expected(scores="raw")
    assert raw[-1][1] < 0 < raw[0][1]
    return [one for one in raw if one[1] >= 0]


@pytest.mark.parametrize("served", [False, True], ids=["model", "server"])
def test_scores_are_those_of_reranker(served: bool, request: pytest.FixtureRequest) -> None:
    component = ranker(**({"url": request.getfixturevalue("url")} if served else {}))
    given = documents()
    component.warm_up()

    async def ask(**options: Any) -> Any:
        try:
            return await component.run_async(query=QUERY, documents=given, **options)
        finally:
            await component.close_async()

    with unchanged(given):
        assert found(component.run(query=QUERY, documents=given)) == expected()
        assert found(asyncio.run(ask())) == expected()
        assert found(asyncio.run(ask(scale_score=False, top_k=1))) == expected(scores="raw")[:1]
    component.close()


def test_a_run_may_ask_otherwise_and_false_and_zero_are_values() -> None:
    component = ranker(top_k=2, scale_score=True, score_threshold=0.9)
    given = documents()
    run = component.run
    assert found(run(QUERY, given)) == [one for one in expected()[:2] if one[1] >= 0.9]
    assert found(run(QUERY, given, score_threshold=0.0)) == expected()[:2]
    assert found(run(QUERY, given, top_k=4, score_threshold=0.0)) == expected()
    assert found(run(QUERY, given, top_k=4, scale_score=False, score_threshold=0.0)) == raw_above_zero()
    component.close()
    raw = ranker(scale_score=False, score_threshold=0.0)
    assert found(raw.run(QUERY, given)) == raw_above_zero()
    assert found(raw.run(QUERY, given, scale_score=True)) == expected()
    assert raw.run(QUERY, []) == {"documents": []}
    raw.close()


@pytest.mark.parametrize("top_k", [0, -1, True, 1.5])
def test_top_k_is_a_number_above_zero(top_k: Any) -> None:
    with pytest.raises(InputError, match="expected a whole number of at least 1"):
        ranker(top_k=top_k)
    with pytest.raises(ValueError, match="expected a whole number of at least 1"):
        ranker().run(QUERY, documents(), top_k=top_k)


def test_fields_of_meta_are_read() -> None:
    texts = [f"Title {i} - {text}" for i, text in enumerate(TEXTS)]
    component = ranker(meta_fields_to_embed=["title", "absent"], embedding_separator=" - ")
    assert found(component.run(QUERY, documents())) == expected(texts)
    component.close()
    component = ranker(template="{title} - {content}")
    assert found(component.run(QUERY, documents())) == expected(texts)
    component.close()


def test_documents_of_two_retrievers_are_ranked_once_and_those_without_text_too() -> None:
    from dataclasses import replace

    from haystack import Document

    given = documents()
    twice = [*(replace(document, score=0.2) for document in given), *given]
    component = ranker()
    assert found(component.run(QUERY, twice)) == expected()
    assert len(component.run(QUERY, [*given, Document(content=None)])["documents"]) == len(given) + 1
    component.close()


def test_a_document_that_a_server_could_not_score_has_no_score() -> None:
    fake = Fake([RankedDocument(1, 0.5, "x"), RankedDocument(0, 0.0, "x", error="it is no text")])
    assert found(ranker(reranker=fake).run(QUERY, documents())) == [(1, 0.5), (0, None)]


def test_the_event_loop_goes_on() -> None:
    patient = Patient()
    call = ranker(reranker=patient).run_async(QUERY, documents())
    assert len(asyncio.run(patient.answers(call))["documents"]) == len(TEXTS)


def pipeline(component: Any) -> Any:
    """Retrieve all, rank, and put the best into the prompt."""
    from haystack import Pipeline
    from haystack.components.builders import PromptBuilder

    built = Pipeline()
    built.add_component("ranker", component)
    prompt = "{% for document in documents %}{{ document.content }}{% endfor %} | {{ question }}"
    built.add_component("prompt", PromptBuilder(prompt, required_variables="*"))
    built.connect("ranker.documents", "prompt.documents")
    return built


ASKED = {"ranker": {"query": QUERY, "documents": None}, "prompt": {"question": QUERY}}


def asked() -> dict[str, Any]:
    return {**ASKED, "ranker": {"query": QUERY, "documents": documents()}}


def test_in_a_pipeline_that_is_written_and_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from haystack import Pipeline
    from haystack.utils import Secret

    monkeypatch.setenv("RESIFT_TEST_KEY", "secret")
    made = ranker(
        "embedded", url=url, api_key=Secret.from_env_var("RESIFT_TEST_KEY"), top_k=1, scale_score=False,
        score_threshold=0.0, meta_fields_to_embed=["title"], embedding_separator=" ", options={"retries": 0},
    )  # fmt: skip
    written = pipeline(made).dumps()
    assert "secret" not in written
    read = Pipeline.loads(written, allowed_modules=["resift.integrations.haystack"])
    assert read.dumps() == written
    texts = [f"Title {i} {text}" for i, text in enumerate(TEXTS)]
    answer = read.run(asked(), include_outputs_from={"ranker"})
    assert found(answer["ranker"]) == expected(texts, scores="raw")[:1]
    assert answer["prompt"]["prompt"] == f"{TEXTS[BEST]} | {QUERY}"
    read.close()


def test_in_a_pipeline_of_a_local_model_many_at_once() -> None:
    from haystack import Pipeline

    written = pipeline(ranker(top_k=1, options={"max_length": 64})).dumps()
    read = Pipeline.loads(written, allowed_modules=["resift.*"])

    async def many() -> list[Any]:
        runs = (read.run_async(asked(), include_outputs_from={"ranker"}) for _ in range(8))
        answers = await asyncio.gather(*runs)
        await read.close_async()
        return answers

    assert [found(answer["ranker"]) for answer in asyncio.run(many())] == [expected()[:1]] * 8


def test_false_and_zero_are_written() -> None:
    from resift.integrations.haystack import ResiftRanker

    made = ranker(top_k=None, scale_score=False, score_threshold=0.0, options={"progress": False})
    read = ResiftRanker.from_dict(made.to_dict())
    assert (read.top_k, read.scale_score, read.score_threshold, read.options) == (None, False, 0.0, {"progress": False})
    assert read.to_dict() == made.to_dict()


def test_a_key_or_a_reranker_that_cannot_be_written_is_not() -> None:
    from haystack.utils import Secret

    with pytest.raises(ValueError, match="token"):
        ranker(url="http://x", api_key=Secret.from_token("secret")).to_dict()
    with Reranker() as reranker:
        component = ranker(reranker=reranker)
        assert found(component.run(QUERY, documents())) == expected()
        with pytest.raises(InputError, match="say model= or url="):
            component.to_dict()


def passages(*args: Any, **arguments: Any) -> Any:
    from resift.integrations.haystack import ResiftRetriever

    return ResiftRetriever(*args, **arguments)


def test_the_retriever_finds_what_the_pipeline_finds(index: Path) -> None:
    component = passages(index)
    with Pipeline(index, writable=False) as opened:
        expected = opened.search(QUERY)
        for answer in (component.run(QUERY), asyncio.run(component.run_async(QUERY))):
            documents = answer["documents"]
            assert [one.id for one in documents] == [hit.id for hit in expected]
            assert [one.score for one in documents] == [hit.score for hit in expected]
            assert [one.content for one in documents] == [hit.full_text for hit in expected]
            assert documents[0].meta["place"] == BEST
            assert set(documents[0].meta["scores"]) == set(expected[0].scores)
        assert passages(pipeline=opened).run(QUERY) == answer
        with pytest.raises(InputError, match="folder="):
            passages(pipeline=opened).to_dict()
    assert len(component.run(QUERY, top_k=1)["documents"]) == 1
    assert found(component.run(QUERY, where={"place": 2}))[0][0] == 2
    component.close()


def test_the_retriever_and_the_ranker_in_a_pipeline_that_is_written_and_read(index: Path) -> None:
    from haystack import Pipeline as Chain

    chain = Chain()
    chain.add_component(
        "retriever",
        passages(index, top_k=4, rerank=False, content="text", where={"place": [0, 1, 2, 3]}, options={"recall": 50}),
    )
    chain.add_component("ranker", ranker(top_k=1))
    chain.connect("retriever.documents", "ranker.documents")
    written = chain.dumps()
    read = Chain.loads(written, allowed_modules=["resift.integrations.haystack"])
    assert read.dumps() == written
    asked = {"retriever": {"query": QUERY}, "ranker": {"query": QUERY}}
    assert found(read.run(asked)["ranker"]) == expected()[:1]

    async def many() -> list[Any]:
        answers = await asyncio.gather(*(read.run_async(asked) for _ in range(4)))
        await read.close_async()
        return answers

    assert [found(answer["ranker"]) for answer in asyncio.run(many())] == [expected()[:1]] * 4

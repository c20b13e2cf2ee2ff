"""The service beside `Reranker`: the same scores, bit for bit, and what is special about a server."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.reranker import Reranker
from resift.server.errors import TooLarge, UnknownModel, Unprocessable
from resift.server.records import LOWEST, Outcome, Work
from resift.server.settings import Limits
from resift.types import PairScore, Windows
from tests.server.engines import running

QUERY = "how to boil an egg"
TEXTS = [
    "Put the egg into boiling water for seven minutes.",
    "鸡蛋放进沸水里煮七分钟。",
    "",
    "أين تقع باريس؟",
    "A hen lays about one egg a day. " * 9,
    "\x00\x07 control \u200b characters \U0001f95a",
    "Яйцо варят семь минут.",
    "\ud800 a lone surrogate",
    "Put the egg into boiling water for seven minutes.",
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"truncation": "flag"},
    {"truncation": "longest_first", "max_length": 40},
    {"truncation": "flag", "max_length": 24},
    {"windows": Windows(size=20, overlap=5)},
    {"windows": Windows(size=20, overlap=5, aggregate="mean"), "max_length": 48},
    {"windows": Windows(size=12, overlap=0, aggregate="top_k_mean", top_k=2)},
    {"windows": Windows(overlap=8)},
    {"template": "Title: {title}\nPrice: {price}"},
]


def details(outcome: Outcome) -> list[PairScore]:
    return [PairScore(item.score, item.truncated, item.window) for item in outcome.scored]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def same_as_reranker(
    folder: Path, reranker: Reranker, pairs: Sequence[tuple[Any, Any]], options: dict[str, Any], **service: Any
) -> None:
    async with running({"tiny": folder}, **service) as (served, _, _):
        for scores in ("raw", "sigmoid"):
            view = reranker.with_options(scores=scores, **{"truncation": "longest_first"} | options)
            outcome = await served.run(Work(pairs=pairs, scores=scores, **options))
            assert details(outcome) == view.score_details(pairs)
            assert outcome.info == view.info
            assert not outcome.partial
            if len({query for query, _ in pairs}) == 1:
                ranking = view.rank(pairs[0][0], [document for _, document in pairs])
                assert list(outcome.order) == [hit.index for hit in ranking]


@pytest.fixture(scope="module")
def native(checkpoint: Path):
    with Reranker(checkpoint) as loaded:
        yield loaded


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_scores_are_those_of_reranker(checkpoint: Path, native: Reranker, options: dict[str, Any]) -> None:
    fields = [{"title": "Kettle", "price": 3}, {"title": "Pan"}, {"price": 1.5, "text": "x"}]
    pairs = [(QUERY, text) for text in TEXTS] + [(QUERY, document) for document in fields]
    run(same_as_reranker(checkpoint, native, pairs, options))
    run(same_as_reranker(checkpoint, native, [(text, QUERY) for text in TEXTS], options, max_batch_tokens=100))


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_other_families(checkpoints: dict[str, Path], family: str) -> None:
    with Reranker(checkpoints[family]) as reranker:
        run(same_as_reranker(checkpoints[family], reranker, [(QUERY, text) for text in TEXTS], {}))


def test_the_embedded_model() -> None:
    with Reranker() as reranker:
        folder = reranker.folder
        pairs = [(query, text) for query in (QUERY, "鸡蛋", "") for text in TEXTS]

        async def both() -> None:
            async with running({"embedded": None}) as (served, _, _):
                outcome = await served.run(Work(pairs=pairs, scores="raw"))
                view = reranker.with_options(truncation="longest_first")
                assert details(outcome) == view.score_details(pairs)
                assert outcome.info == view.info

        assert folder.is_dir()
        run(both())


def test_the_models_own_settings(checkpoint: Path) -> None:
    own = {"max_length": 40, "truncation": "flag", "template": "{title}"}

    async def both() -> None:
        with Reranker(checkpoint, **own) as reranker:
            pairs = [(QUERY, text) for text in TEXTS] + [(QUERY, {"title": "egg", "text": "not read"})]
            async with running({"tiny": checkpoint}, **own) as (served, _, _):
                outcome = await served.run(Work(pairs=pairs, scores="raw"))
                assert details(outcome) == reranker.score_details(pairs)
                (card,) = served.models
                assert (card.name, card.max_length, card.info.max_length) == ("tiny", 128, 40)
                assert card.info.truncation == "flag"

    run(both())


WORDS = st.text(st.characters(), max_size=60) | st.sampled_from(TEXTS) | st.text("egg 鸡蛋яйцо ", max_size=400)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(st.tuples(st.sampled_from([QUERY, "鸡蛋", "где"]) | WORDS, WORDS), max_size=20),
    options=st.sampled_from(OPTIONS[:-1]),
    budget=st.integers(1, 400),
)
def test_any_texts(
    checkpoint: Path, native: Reranker, pairs: list[tuple[str, str]], options: dict[str, Any], budget: int
) -> None:
    run(same_as_reranker(checkpoint, native, pairs, options, max_batch_tokens=budget))


def test_many_documents_in_many_chunks(checkpoint: Path, native: Reranker) -> None:
    pairs = [(QUERY, f"document {i % 700} " * (1 + i % 9)) for i in range(2000)]
    run(same_as_reranker(checkpoint, native, pairs, {}))


def test_cut_to_so_many_tokens_first(checkpoint: Path, native: Reranker) -> None:
    """A text that is cut to n tokens scores as the text of its first n tokens does."""

    async def cut() -> None:
        async with running({"tiny": checkpoint}) as (served, _, _):
            whole = await served.run(Work(pairs=[("egg", "water")], scores="raw"))
            document = await served.run(Work(pairs=[("egg", "water " + TEXTS[4])], document_tokens=1, scores="raw"))
            query = await served.run(Work(pairs=[("egg " + TEXTS[4], "water")], query_tokens=1, scores="raw"))
            longer = await served.run(Work(pairs=[("egg", "water")], document_tokens=99, query_tokens=99, scores="raw"))
            windows = Windows(size=20, overlap=5)
            long = [("egg", TEXTS[4])]
            all_windows = await served.run(Work(pairs=long, windows=windows))
            first = await served.run(Work(pairs=long, windows=windows, document_tokens=10))
        tokens = whole.scored[0].tokens
        if tokens == document.scored[0].tokens:  # "water" may be several tokens of this vocabulary
            assert document.scored[0].score == whole.scored[0].score
        assert document.scored[0].truncated and query.scored[0].truncated and not longer.scored[0].truncated
        assert longer.scored[0].score == whole.scored[0].score
        assert all_windows.scored[0].window.count > 1 and first.scored[0].window.count == 1
        assert first.scored[0].truncated and not all_windows.scored[0].truncated

    run(cut())


def test_nothing(checkpoint: Path) -> None:
    async def nothing() -> None:
        async with running({"tiny": checkpoint}) as (served, engine, _):
            outcome = await served.run(Work(pairs=[]))
            assert (outcome.scored, outcome.order, outcome.tokens, outcome.partial) == ([], [], 0, False)
            assert not engine.batches

    run(nothing())


def test_usage(checkpoint: Path) -> None:
    async def usage() -> None:
        async with running({"tiny": checkpoint}) as (served, _, _):
            one = await served.run(Work(pairs=[("egg", "water")]))
            two = await served.run(Work(pairs=[("egg", "water"), ("egg", "water"), ("egg", None)]))
        assert one.characters == 8 and two.characters == 13
        assert two.tokens == 2 * one.tokens == 2 * one.scored[0].tokens > 0
        assert two.scored[0] == two.scored[1] == one.scored[0]

    run(usage())


BAD = [None, 3, True, 2.5, b"bytes", ["text"], {"n": {"n": 1}}, "x" * 101]


def test_a_bad_document_has_an_error_of_its_own(checkpoint: Path) -> None:
    async def bad() -> None:
        async with running({"tiny": checkpoint}, limits=Limits(max_text_characters=100)) as (served, _, _):
            good = await served.run(Work(pairs=[(QUERY, "water"), (QUERY, "")]))
            for document in BAD:
                for scores in ("raw", "sigmoid"):
                    pairs = [(QUERY, "water"), (QUERY, document), (QUERY, "")]
                    outcome = await served.run(Work(pairs=pairs, scores=scores))
                    assert outcome.scored[1].error and not outcome.scored[1].pending
                    assert outcome.scored[1].score == LOWEST[scores] and outcome.scored[1].tokens == 0
                    assert outcome.order[-1] == 1 and not outcome.partial
                    if scores == "sigmoid":
                        assert [outcome.scored[0], outcome.scored[2]] == good.scored
                with pytest.raises(Unprocessable, match="item 1"):
                    await served.run(Work(pairs=pairs, strict=True))
            every = await served.run(Work(pairs=[(QUERY, document) for document in BAD]))
            assert all(item.error for item in every.scored) and list(every.order) == list(range(len(BAD)))

    run(bad())


def test_a_template_that_does_not_fit_one_document(checkpoint: Path) -> None:
    async def bad() -> None:
        async with running({"tiny": checkpoint}) as (served, _, _):
            pairs = [(QUERY, {"name": "Pan"}), (QUERY, {"title": "Kettle"})]
            outcome = await served.run(Work(pairs=pairs, template="{title}"))
            assert "none of the template's fields" in (outcome.scored[0].error or "")
            assert outcome.scored[1].error is None and list(outcome.order) == [1, 0]

    run(bad())


@pytest.mark.parametrize("query", [None, 5, ["q"], "x" * 101], ids=["none", "number", "list", "long"])
def test_a_bad_query(checkpoint: Path, query: object) -> None:
    async def bad() -> None:
        async with running({"tiny": checkpoint}, limits=Limits(max_text_characters=100)) as (served, _, _):
            for pairs in ([(query, "a")], [(query, "a"), (query, "b")]):
                with pytest.raises(Unprocessable, match="query"):
                    await served.run(Work(pairs=pairs))
            outcome = await served.run(Work(pairs=[("egg", "a"), (query, "b"), ("egg", "c")]))
            assert "query" in (outcome.scored[1].error or "")
            assert [outcome.scored[i].error for i in (0, 2)] == [None, None]

    run(bad())


def test_a_query_that_fills_all(checkpoint: Path) -> None:
    """Windows need room beside the query: with one query for all the request fails, else its pair does."""

    async def bad() -> None:
        async with running({"tiny": checkpoint}, max_length=8) as (served, _, _):
            windows = Windows(size=3, overlap=2)
            long = "egg " * 50
            with pytest.raises(Unprocessable, match="no room"):
                await served.run(Work(pairs=[(long, "water"), (long, "pan")], windows=windows))
            outcome = await served.run(Work(pairs=[("a", "b"), (long, "pan")], windows=windows, max_length=10))
            assert outcome.scored[1].error

    run(bad())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_length": 129}, "6 to 128"),
        ({"max_length": 5}, "6 to 128"),
        ({"max_length": 0}, "max_length is 0"),
        ({"max_length": True}, "max_length is True"),
        ({"truncation": "first"}, "flag, longest_first"),
        ({"scores": "percent"}, "raw, sigmoid"),
        ({"windows": Windows(aggregate="sum")}, "aggregate"),  # type: ignore[arg-type]
        ({"windows": Windows(size=0)}, "size"),
        ({"windows": Windows(overlap=-1)}, "overlap"),
        ({"windows": Windows(top_k=0)}, "top_k"),
        ({"windows": Windows(size=5, overlap=5)}, "overlap"),
        ({"template": "nothing"}, "names no field"),
        ({"template": "{a:1000}"}, "999"),
        ({"template": "{a}" * 5000}, "10000"),
        ({"query_tokens": 0}, "query_tokens"),
        ({"document_tokens": -1}, "document_tokens"),
        ({"priority": "urgent"}, "high, normal, low"),
        ({"deadline": 0}, "deadline"),
        ({"deadline": float("nan")}, "deadline"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(checkpoint: Path, options: dict[str, Any], named: str) -> None:
    async def bad() -> None:
        async with running({"tiny": checkpoint}) as (served, engine, _):
            with pytest.raises(Unprocessable, match=named):
                await served.run(Work(pairs=[(QUERY, "water")], **options))
            assert not engine.batches

    run(bad())


@pytest.mark.parametrize("options", [{"strict": True}, {"fail_if_cut": True}])
def test_what_must_not_be_cut(checkpoint: Path, options: dict[str, Any]) -> None:
    async def cut() -> None:
        from resift.server.cache import ScoreCache

        async with running({"tiny": checkpoint}, cache=ScoreCache(1 << 20)) as (served, _, _):
            pairs = [(QUERY, "water"), (QUERY, TEXTS[4])]
            for known in (False, True):
                with pytest.raises(Unprocessable, match="40 tokens"):
                    await served.run(Work(pairs=pairs, max_length=40, **options))
                assert (await served.run(Work(pairs=pairs, max_length=40))).scored[1].cached is known
            whole = await served.run(Work(pairs=pairs, windows=Windows(size=20, overlap=2), **options))
            assert whole.scored[1].window is not None

    run(cut())


def test_several_models(checkpoints: dict[str, Path]) -> None:
    async def models() -> None:
        async with running(checkpoints) as (served, _, recorder):
            assert [card.name for card in served.models] == list(checkpoints)
            pairs = [(QUERY, text) for text in TEXTS]
            outcomes = await asyncio.gather(*(served.run(Work(pairs=pairs, model=name)) for name in checkpoints))
            for name, outcome in zip(checkpoints, outcomes, strict=True):
                with Reranker(checkpoints[name], truncation="longest_first", scores="sigmoid") as reranker:
                    assert details(outcome) == reranker.score_details(pairs)
            first = next(iter(checkpoints))
            for name in (None, first):
                assert (await served.run(Work(pairs=pairs, model=name))).scored == outcomes[0].scored
            for name in ("gpt", "", first.upper(), str(checkpoints[first])):  # lenient is the routes' part
                with pytest.raises(UnknownModel, match="xlm-roberta, roberta, bert"):
                    await served.run(Work(pairs=pairs, model=name))
        assert {request["model"] for request in recorder.requests} == set(checkpoints)

    run(models())


def test_too_many_documents(checkpoint: Path) -> None:
    async def many() -> None:
        async with running({"tiny": checkpoint}, limits=Limits(max_documents=3)) as (served, _, _):
            with pytest.raises(TooLarge, match="4 documents, at most 3"):
                await served.run(Work(pairs=[(QUERY, "a")] * 4))

    run(many())


def test_how_far_documents_are_read(checkpoint: Path) -> None:
    async def read() -> None:
        async with running({"tiny": checkpoint}) as (served, _, _):
            long = TEXTS[4] * 50
            pairs = [(QUERY, "water"), (QUERY, long), (QUERY, {"title": "a", "text": "bc"})]
            short, cut, fields = await served.read_to(Work(pairs=pairs))
            assert (short, fields) == (5, 4) and 0 < cut < len(long)
            (less,) = await served.read_to(Work(pairs=[(QUERY, long)], document_tokens=5))
            assert 0 < less < cut
            assert await served.read_to(Work(pairs=[(QUERY, long)], windows=Windows())) == [len(long)]
            outcome = await served.run(Work(pairs=[(QUERY, long), (QUERY, long[:cut])]))
            assert outcome.scored[0].truncated and not outcome.scored[1].truncated
            with pytest.raises(Unprocessable, match="item 0"):
                await served.read_to(Work(pairs=[(QUERY, 3)]))
            with pytest.raises(Unprocessable, match="template"):
                await served.read_to(Work(pairs=[(QUERY, {"a": 1})], template="{b}"))

    run(read())

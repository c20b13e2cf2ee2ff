"""What scores for a framework: loaded late, once, and with the scores of `Reranker`."""

import asyncio
import copy
import logging
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resift import RankedDocument, Reranker, Windows
from resift.errors import InputError, ModelNotFound, Unavailable
from resift.integrations import lazy
from resift.integrations.lazy import Hit, LazyReranker
from tests.client.running import running
from tests.integrations.samples import Fake, Patient

pytestmark = pytest.mark.timeout(120)

QUERY = "kettle"
TEXTS = ["red kettle with a lid", "a mug", "", "水壶", "a mug", "long " * 300]


def hits(reranker: Reranker, **options: str) -> list[Hit]:
    return [Hit(one.index, one.score) for one in reranker.with_options(**options).rank(QUERY, TEXTS)]


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, truncation="longest_first", max_length=64) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def address(checkpoint: Path) -> Iterator[str]:
    with running(checkpoint) as url:
        yield url


@pytest.fixture(params=["local", "server", "ready-made"])
def ranker(request: pytest.FixtureRequest, checkpoint: Path, reranker: Reranker) -> Iterator[LazyReranker]:
    if request.param == "local":
        options = {"truncation": "longest_first", "max_length": 64}
        with LazyReranker(checkpoint, options=options) as ranker:
            yield ranker
    elif request.param == "server":
        with LazyReranker("tiny", url=request.getfixturevalue("address")) as ranker:
            yield ranker
    else:
        yield LazyReranker(reranker=reranker)


def test_its_scores_are_those_of_reranker(ranker: LazyReranker, reranker: Reranker) -> None:
    assert ranker.rank(QUERY, TEXTS) == hits(reranker, scores="sigmoid")
    assert ranker.rank(QUERY, TEXTS, scores="raw") == hits(reranker, scores="raw")
    assert ranker.rank(QUERY, TEXTS, top_k=2) == hits(reranker, scores="sigmoid")[:2]
    pairs = [(QUERY, text) for text in TEXTS]
    assert ranker.score(pairs) == reranker.with_options(scores="sigmoid").score(pairs).tolist()


def test_its_scores_are_the_same_in_any_event_loop(ranker: LazyReranker, reranker: Reranker) -> None:
    async def ask() -> tuple[list[Hit], list[Hit], list[float]]:
        found = await asyncio.gather(
            ranker.arank(QUERY, TEXTS), ranker.arank(QUERY, TEXTS, scores="raw"), ranker.ascore([(QUERY, TEXTS[0])])
        )
        await ranker.aclose()
        return found

    first = reranker.with_options(scores="sigmoid").score([(QUERY, TEXTS[0])]).tolist()
    for _ in range(2):
        assert asyncio.run(ask()) == [hits(reranker, scores="sigmoid"), hits(reranker, scores="raw"), first]


def test_raw_scores(checkpoint: Path) -> None:
    with LazyReranker(checkpoint, scores="raw") as ranker, Reranker(checkpoint) as reranker:
        assert ranker.rank(QUERY, TEXTS) == hits(reranker)


def test_windows_may_be_a_mapping(checkpoint: Path) -> None:
    windows = Windows(size=20, overlap=4, aggregate="mean")
    with (
        LazyReranker(checkpoint, options={"windows": {"size": 20, "overlap": 4, "aggregate": "mean"}}) as one,
        LazyReranker(checkpoint, options={"windows": windows}) as other,
        Reranker(checkpoint, windows=windows, scores="sigmoid") as reranker,
    ):
        assert one.rank(QUERY, TEXTS) == other.rank(QUERY, TEXTS) == hits(reranker)
        assert other.options == {"windows": {"size": 20, "overlap": 4, "aggregate": "mean", "top_k": 3}}


def test_nothing_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    ranker = LazyReranker(tmp_path / "nowhere")
    assert ranker.rank(QUERY, []) == ranker.score([]) == asyncio.run(ranker.arank(QUERY, [])) == []
    with pytest.raises(ModelNotFound):
        ranker.warm_up()


def test_nothing_is_asked_of_a_server_before_it_is_needed() -> None:
    asked = []
    ranker = LazyReranker(url="http://127.0.0.1:9", api_key=lambda: asked.append(1), options={"retries": 0})
    assert ranker.rank(QUERY, []) == []
    assert not asked
    ranker.warm_up()
    assert asked
    with pytest.raises(Unavailable):
        ranker.rank(QUERY, TEXTS)


def test_threads_that_come_at_once_load_it_once(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(lazy, "Reranker", lambda *args, **options: made.append(1) or Reranker(*args, **options))
    barrier = threading.Barrier(4)
    monkeypatch.setattr(lazy, "plain_options", lambda options, _: dict(options))

    def ask(ranker: LazyReranker) -> list[Hit]:
        barrier.wait(30)
        return ranker.rank(QUERY, TEXTS)

    with LazyReranker(checkpoint) as ranker, ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, [ranker] * 4)
    assert len(made) == 1
    assert others == [first] * 3


def test_the_event_loop_goes_on() -> None:
    for call in ("arank", "ascore"):
        patient = Patient()
        ranker = LazyReranker(reranker=patient)
        asked = ranker.arank(QUERY, TEXTS) if call == "arank" else ranker.ascore([(QUERY, TEXTS[0])])
        assert asyncio.run(patient.answers(asked))


def test_a_closed_one_opens_again_and_a_given_one_is_not_closed(checkpoint: Path) -> None:
    with LazyReranker(checkpoint) as ranker:
        first = ranker.rank(QUERY, TEXTS)
    assert ranker.rank(QUERY, TEXTS) == first
    ranker.close()
    fake = Fake([])
    LazyReranker(reranker=fake).close()
    assert not fake.closed


def test_copies_open_their_own(checkpoint: Path) -> None:
    with LazyReranker(checkpoint, scores="raw", options={"max_length": 32}) as ranker:
        found = ranker.rank(QUERY, TEXTS)
        for copied in (pickle.loads(pickle.dumps(ranker)), copy.deepcopy(ranker)):
            ranker.close()
            with copied:
                assert copied.rank(QUERY, TEXTS) == found


def ranked(*scores: float, **marks: object) -> list[RankedDocument]:
    return [RankedDocument(i, score, "x", **marks) for i, score in enumerate(scores)]


def test_zero_is_a_threshold() -> None:
    ranker = LazyReranker(reranker=Fake(ranked(2.0, 0.0, -0.1)), scores="raw")
    assert [hit.index for hit in ranker.rank(QUERY, TEXTS, threshold=0.0)] == [0, 1]
    assert [hit.index for hit in ranker.rank(QUERY, TEXTS)] == [0, 1, 2]
    assert [hit.index for hit in ranker.rank(QUERY, TEXTS, top_k=1, threshold=-1.0)] == [0]


def test_a_document_without_a_score_has_none_and_passes_no_threshold(caplog: pytest.LogCaptureFixture) -> None:
    failed = RankedDocument(2, 0.0, "x", error="it is no text")
    late = RankedDocument(1, 0.0, "x", pending=True)
    ranker = LazyReranker(reranker=Fake([*ranked(0.5), late, failed]))
    with caplog.at_level(logging.WARNING, "resift"):
        found = ranker.rank(QUERY, TEXTS)
    assert found == [Hit(0, 0.5), Hit(1, None, "its deadline came first"), Hit(2, None, "it is no text")]
    assert "2 of 3 documents have no score" in caplog.text
    assert [hit.index for hit in ranker.rank(QUERY, TEXTS, threshold=-1.0)] == [0]


def test_what_is_cut_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "resift"):
        LazyReranker(reranker=Fake(ranked(0.5, 0.4, truncated=True))).rank(QUERY, TEXTS)
    assert "2 of 2 ranked documents were cut" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"precisoin": "int8"}}, "'precisoin', expected some of device, precision"),
        ({"options": {"timeout": 3}}, "'timeout'"),
        ({"url": "http://x", "options": {"precision": "int8"}}, "'precision', expected some of .*timeout"),
        ({"options": {"scores": "raw"}}, "'scores'"),
        ({"options": {"windows": {"sise": 3}}}, "windows is .*expected a mapping with some of size, overlap"),
        ({"options": {"windows": 3}}, "windows is 3"),
        ({"scores": "logit"}, "scores is 'logit'"),
        ({"api_key": "key"}, "api_key is for a server"),
        ({"model": "m", "reranker": Fake([])}, "stands alone"),
        ({"url": "http://x", "reranker": Fake([])}, "stands alone"),
    ],
)
def test_arguments_that_do_not_fit_are_told_at_once(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LazyReranker(**arguments)


def test_its_name_for_traces() -> None:
    assert LazyReranker().name == "embedded"
    assert LazyReranker("m").name == "m"
    assert LazyReranker(url="http://x").name == "http://x"
    assert LazyReranker(reranker=Fake([])).name == "Fake"

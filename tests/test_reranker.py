"""The API on tiny random checkpoints: what holds for every model, whatever its weights."""

import asyncio
import copy
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resift.errors import DeviceError, EngineClosed, InputError, PairError, TemplateError
from resift.reranker import Reranker
from resift.types import Windows

QUERY = "how to boil an egg"
TEXTS = [
    "Put the egg into boiling water for seven minutes.",
    "鸡蛋放进沸水里煮七分钟。",
    "",
    "أين تقع باريس؟",
    "A hen lays about one egg a day. " * 9,
    "\x00\x07 control \u200b characters \U0001f95a",
    "Яйцо варят семь минут.",
]
BACKENDS = ["native", "reference"]


@pytest.fixture(scope="module", params=BACKENDS)
def reranker(request: pytest.FixtureRequest, checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint, backend=request.param) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def native(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint) as loaded:
        yield loaded


def test_scores_in_input_order(reranker: Reranker) -> None:
    scores = reranker.score([(QUERY, text) for text in TEXTS])
    assert scores.dtype == np.float32 and scores.shape == (len(TEXTS),)
    assert len(set(scores.tolist())) == len(TEXTS)
    alone = [reranker.score([(QUERY, text)])[0] for text in TEXTS]
    assert scores.tolist() == alone


def test_nothing_in_nothing_out(reranker: Reranker) -> None:
    assert reranker.score([]).shape == (0,)
    assert reranker.rank(QUERY, []) == []
    assert reranker.rank_many([], []) == []
    assert reranker.rank_many([QUERY], [[]]) == [[]]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(TEXTS))), budget=st.integers(1, 400), times=st.integers(1, 3))
def test_a_score_does_not_depend_on_the_call(
    checkpoint: Path, native: Reranker, order: list[int], budget: int, times: int
) -> None:
    expected = native.score([(QUERY, text) for text in TEXTS]).tolist()
    with Reranker(checkpoint, max_batch_tokens=budget, threads=times) as other:
        scores = other.score([(QUERY, TEXTS[i]) for i in order] * times).tolist()
    assert scores == [expected[i] for i in order] * times


def test_backends_agree(checkpoint: Path, native: Reranker) -> None:
    pairs = [(QUERY, text) for text in TEXTS] + [(text, QUERY) for text in TEXTS]
    with Reranker(checkpoint, backend="reference") as oracle:
        np.testing.assert_allclose(native.score(pairs), oracle.score(pairs), atol=1e-5)


def test_ranks_best_first_and_keeps_the_callers_objects(reranker: Reranker) -> None:
    documents = [{"text": text, "id": i} for i, text in enumerate(TEXTS)]
    before = copy.deepcopy(documents)
    scores = reranker.score([(QUERY, document) for document in documents])
    ranking = reranker.rank(QUERY, documents)
    assert [hit.index for hit in ranking] == sorted(range(len(TEXTS)), key=lambda i: (-scores[i], i))
    assert all(hit.document is documents[hit.index] and hit.score == scores[hit.index] for hit in ranking)
    assert documents == before
    assert reranker.rank(QUERY, documents, top_k=2) == ranking[:2]
    assert reranker.rank(QUERY, documents, top_k=0) == []
    assert reranker.rank(QUERY, documents, top_k=99) == ranking


def test_equal_documents_keep_their_order(reranker: Reranker) -> None:
    assert [hit.index for hit in reranker.rank(QUERY, ["same", "same", "same"])] == [0, 1, 2]


def test_many_queries(reranker: Reranker) -> None:
    queries, lists = [QUERY, "巴黎在哪里", QUERY], [TEXTS[:3], TEXTS[2:], []]
    rankings = reranker.rank_many(queries, lists, top_k=2)
    assert rankings == [reranker.rank(q, group, top_k=2) for q, group in zip(queries, lists, strict=True)]
    with pytest.raises(InputError, match="3 queries and 1 lists"):
        reranker.rank_many(queries, [TEXTS])


def test_sigmoid_keeps_the_order(reranker: Reranker) -> None:
    view = reranker.with_options(scores="sigmoid")
    raw = reranker.score([(QUERY, text) for text in TEXTS]).astype(np.float64)
    np.testing.assert_allclose(view.score([(QUERY, text) for text in TEXTS]), 1 / (1 + np.exp(-raw)), atol=1e-7)
    assert [hit.index for hit in view.rank(QUERY, TEXTS)] == [hit.index for hit in reranker.rank(QUERY, TEXTS)]
    assert (view.info.scores, reranker.info.scores) == ("sigmoid", "raw")


def test_truncation_is_in_the_record_and_in_the_log(reranker: Reranker, caplog: pytest.LogCaptureFixture) -> None:
    view = reranker.with_options(max_length=40)
    ranking = {hit.index: hit.truncated for hit in view.rank(QUERY, TEXTS)}
    assert ranking[4] and not ranking[2]
    with caplog.at_level(logging.WARNING, logger="resift"):
        view.score([(QUERY, TEXTS[4]), (QUERY, "")])
    assert "1 of 2 pairs were cut to 40 tokens" in caplog.text


@pytest.mark.parametrize("aggregate", ["max", "mean", "top_k_mean"])
def test_windows(reranker: Reranker, aggregate: str) -> None:
    view = reranker.with_options(windows=Windows(size=20, overlap=5, aggregate=aggregate, top_k=2))  # type: ignore[arg-type]
    (hit,) = view.rank(QUERY, [TEXTS[4]])
    assert not hit.truncated and hit.window is not None and hit.window.count > 2
    part = TEXTS[4][hit.window.start : hit.window.end]
    assert 0 < len(part) < len(TEXTS[4])
    if aggregate == "max":
        assert hit.score == hit.window.score
    else:
        assert hit.score < hit.window.score
    (short,) = view.rank(QUERY, ["egg"])
    assert short.window is not None and short.window.count == 1
    assert short.score == reranker.rank(QUERY, ["egg"])[0].score


def test_templates(reranker: Reranker) -> None:
    view = reranker.with_options(template="Title: {title}\nPrice: {price}")
    expected = reranker.score([(QUERY, "Title: Kettle\nPrice: 3")])[0]
    assert view.rank(QUERY, [{"title": "Kettle", "price": 3}])[0].score == expected
    with pytest.raises(TemplateError):
        view.rank(QUERY, [{"name": "Kettle"}])


@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([("a",)], "item 0"),
        ([("a", "b"), ("a", "b", "c")], "item 1"),
        ([("a", None)], "document of item 0 is NoneType"),
        ([(None, "b")], "query of item 0 is NoneType"),
        ([("a", 3)], "document of item 0 is int 3"),
        ([("a", b"bytes")], "bytes"),
        ([("a", ["b"])], "document of item 0 is list"),
        (["ab"], "item 0 is str 'ab'"),
        ("ab", "pairs is str 'ab'"),
        (None, "pairs is NoneType"),
        (5, "pairs is int 5"),
        ([None], "item 0 is NoneType"),
        ([{"query": "a", "document": "b"}], "item 0 is dict"),
    ],
)
def test_what_is_no_pair(native: Reranker, pairs: object, named: str) -> None:
    with pytest.raises(PairError, match=named):
        native.score(pairs)  # type: ignore[arg-type]


def test_what_is_no_list_of_documents(native: Reranker) -> None:
    for documents in ("one text", {"text": "a"}, None, 3):
        with pytest.raises(PairError, match="documents is"):
            native.rank(QUERY, documents)  # type: ignore[arg-type]
    with pytest.raises(PairError, match="document of item 1"):
        native.rank(QUERY, ["fine", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="top_k"):
        native.rank(QUERY, TEXTS, top_k=-1)
    with pytest.raises(TypeError):
        native.rank(QUERY, TEXTS, topk=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00", "\u202e", "🧑‍🚀" * 50, "\n\n", "a" * 5000])
def test_odd_texts_have_a_score(reranker: Reranker, text: str) -> None:
    assert np.isfinite(reranker.score([(text, QUERY), (QUERY, text), (text, text)])).all()


def test_ten_megabytes(native: Reranker) -> None:
    for text in ("word " * 2_000_000, "字 " * 2_500_000, " " * 10_000_000):
        (detail,) = native.score_details([(QUERY, text)])
        assert np.isfinite(detail.score)
        assert detail.truncated == bool(text.strip())


def test_many_documents(native: Reranker) -> None:
    documents = [f"document {i % 500}" for i in range(20_000)]
    calls: list[tuple[int, int]] = []
    view = native.with_options(progress=lambda done, total: calls.append((done, total)))
    ranking = view.rank(QUERY, documents)
    assert sorted(hit.index for hit in ranking) == list(range(20_000))
    assert calls[-1] == (20_000, 20_000)
    assert calls == sorted(calls)


def test_a_bar(native: Reranker, capsys: pytest.CaptureFixture[str]) -> None:
    native.with_options(progress=True).rank(QUERY, TEXTS)
    shown = capsys.readouterr()
    assert "7/7" in shown.err and shown.out == ""


def test_threads(native: Reranker) -> None:
    expected = native.score([(QUERY, text) for text in TEXTS]).tolist()
    results: list[list[float]] = []

    def work() -> None:
        for _ in range(5):
            results.append(native.score([(QUERY, text) for text in TEXTS]).tolist())

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [expected] * 40


def test_async(native: Reranker) -> None:
    async def run() -> None:
        pairs = [(QUERY, text) for text in TEXTS]
        scores, ranking = await asyncio.gather(native.ascore(pairs), native.arank(QUERY, TEXTS, top_k=3))
        assert scores.tolist() == native.score(pairs).tolist()
        assert ranking == native.rank(QUERY, TEXTS, top_k=3)

    asyncio.run(run())


def test_close(checkpoint: Path) -> None:
    with Reranker(checkpoint) as loaded:
        view = loaded.with_options(scores="sigmoid")
    for closed in (loaded, view):
        with pytest.raises(EngineClosed):
            closed.score([(QUERY, "text")])
    loaded.close()


def test_info(checkpoint: Path, native: Reranker) -> None:
    info = native.info
    assert (info.model, info.backend, info.precision, info.device) == (str(checkpoint), "native", "fp32", "cpu")
    assert (info.scores, info.truncation, info.max_length, info.revision) == ("raw", "flag", 128, None)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"device": "cuda"}, DeviceError, "cuda"),
        ({"backend": "gpu"}, DeviceError, "native, reference"),
        ({"precision": "fp16"}, DeviceError, "fp16"),
        ({"precision": "fp31"}, DeviceError, "not a precision"),
        ({"threads": 0}, DeviceError, "threads is 0, expected 1 to 1024"),
        ({"threads": 1025}, DeviceError, "threads is 1025, expected 1 to 1024"),
        ({"max_length": 129}, InputError, "6 to 128"),
        ({"max_length": 3}, InputError, "6 to 128"),
        ({"max_length": "8"}, InputError, "max_length"),
        ({"max_batch_tokens": 0}, InputError, "max_batch_tokens"),
        ({"truncation": "first"}, InputError, "flag, longest_first"),
        ({"scores": "percent"}, InputError, "raw, sigmoid"),
        ({"windows": Windows(aggregate="sum")}, InputError, "aggregate"),  # type: ignore[arg-type]
        ({"template": "nothing"}, TemplateError, "names no field"),
    ],
)
def test_arguments_that_do_not_fit(
    checkpoint: Path, arguments: dict[str, object], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        Reranker(checkpoint, **arguments)  # type: ignore[arg-type]


def test_a_misspelt_argument_raises(checkpoint: Path) -> None:
    with pytest.raises(TypeError):
        Reranker(checkpoint, max_len=12)  # type: ignore[call-arg]

import inspect
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

import resift
from resift import CrossEncoder, FlagReranker
from resift.errors import EngineClosed, InputError, PairError, ResiftWarning
from tests.checkpoints import make_checkpoint

PAIR = ["how to train a model", "Dropout helps a network to generalise."]
PAIRS = [PAIR, ["weather", "It rains."], ["", "text"]]


@pytest.fixture
def reranker(checkpoint: Path) -> FlagReranker:
    return FlagReranker(checkpoint)


def test_one_pair_gives_a_float_that_formats(reranker: FlagReranker) -> None:
    score = reranker.compute_score(PAIR)
    assert isinstance(score, float)
    assert float(f"{score:.4f}") == pytest.approx(score, abs=1e-4)
    assert reranker.compute_score(tuple(PAIR)) == score


def test_a_list_gives_a_list_in_its_order(reranker: FlagReranker) -> None:
    scores = reranker.compute_score(PAIRS)
    assert isinstance(scores, list) and all(isinstance(score, float) for score in scores)
    assert scores == [reranker.compute_score(pair) for pair in PAIRS]
    assert reranker.compute_score([tuple(pair) for pair in PAIRS]) == scores
    assert reranker.compute_score(tuple(PAIRS)) == scores
    assert reranker.compute_score(iter(PAIRS)) == scores
    assert len(set(scores)) == 3


def test_a_list_of_one_pair_gives_a_list_of_one(reranker: FlagReranker) -> None:
    assert reranker.compute_score([PAIR]) == [reranker.compute_score(PAIR)]
    assert reranker.compute_score([]) == []


def test_two_pairs_are_not_one(reranker: FlagReranker) -> None:
    assert reranker.compute_score(PAIRS[:2]) == [reranker.compute_score(pair) for pair in PAIRS[:2]]


def test_single_pair_as_list(checkpoint: Path) -> None:
    newer = FlagReranker(checkpoint, single_pair_as_list=True).compute_score(PAIR)
    assert newer == [FlagReranker(checkpoint).compute_score(PAIR)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"use_fp16": True}, "use_fp16"),
        ({"device": "cuda:0"}, "cuda:0"),
        ({"device": 0}, "cuda:0"),
        ({"devices": ["cuda:0", "cuda:1"]}, "cuda:1"),
        ({"devices": [1]}, "cuda:1"),
        ({"devices": "mps"}, "mps"),
        ({"use_fp16": True, "device": "cuda:0"}, "cuda:0.*use_fp16"),
        ({"trust_remote_code": True}, "no code"),
    ],
)
def test_what_is_not_here_is_told_once_and_it_scores(checkpoint: Path, asked: dict[str, Any], told: str) -> None:
    expected = FlagReranker(checkpoint).compute_score(PAIRS)
    with pytest.warns(ResiftWarning, match=told) as notices:
        reranker = FlagReranker(checkpoint, **asked)
    assert len(notices) == 1
    assert notices[0].filename == __file__
    assert reranker.compute_score(PAIRS) == expected


def test_int8_is_near_and_not_equal(checkpoint: Path) -> None:
    exact = FlagReranker(checkpoint).compute_score(PAIRS)
    rounded = FlagReranker(checkpoint, use_int8=True, use_fp16=True).compute_score(PAIRS)
    assert rounded != exact
    assert rounded == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize(
    "asked", [{}, {"device": "cpu"}, {"devices": ["cpu"]}, {"devices": "cpu"}, {"use_fp16": False}]
)
def test_nothing_is_told_without_need(checkpoint: Path, asked: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FlagReranker(checkpoint, **asked).compute_score(PAIR)


def test_the_first_line_of_the_tutorial(tmp_path: Path) -> None:
    """A hub id, found in the cache: no network is needed."""
    snapshot = tmp_path / "models--BAAI--bge-reranker-v2-m3" / "snapshots" / ("a" * 40)
    make_checkpoint(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    with pytest.warns(ResiftWarning, match="use_fp16"):
        reranker = FlagReranker("BAAI/bge-reranker-v2-m3", use_fp16=True, cache_dir=tmp_path)
    assert reranker.compute_score(PAIR) == FlagReranker(snapshot).compute_score(PAIR)
    encoder = CrossEncoder("BAAI/bge-reranker-v2-m3", cache_folder=str(tmp_path))
    assert encoder.predict(PAIR) == CrossEncoder(snapshot).predict(PAIR)


def test_use_fp16_is_the_second_positional_argument(checkpoint: Path) -> None:
    with pytest.warns(ResiftWarning, match="use_fp16"):
        FlagReranker(checkpoint, True)
    with pytest.raises(TypeError):
        FlagReranker(checkpoint, True, "cuda:0")  # type: ignore[misc]


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_batch_size_changes_no_bit(checkpoint: Path, reranker: FlagReranker, batch_size: int) -> None:
    expected = reranker.compute_score(PAIRS)
    assert FlagReranker(checkpoint, batch_size=batch_size).compute_score(PAIRS) == expected
    assert reranker.compute_score(PAIRS, batch_size=batch_size) == expected
    assert reranker.compute_score(PAIRS, batch_size) == expected


def test_batch_size_below_one(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        FlagReranker(checkpoint, batch_size=0)


def test_normalize_in_the_call_wins(checkpoint: Path) -> None:
    raw = FlagReranker(checkpoint).compute_score(PAIR)
    always = FlagReranker(checkpoint, normalize=True)
    assert isinstance(raw, float)
    assert always.compute_score(PAIR) == pytest.approx(1 / (1 + math.exp(-raw)), rel=1e-6)
    assert always.compute_score(PAIR, normalize=False) == raw


def test_a_model_shorter_than_512_tokens(checkpoint: Path) -> None:
    long = ["query", "word " * 1000]
    assert FlagReranker(checkpoint).compute_score(long) == FlagReranker(checkpoint, max_length=128).compute_score(long)
    with pytest.raises(InputError, match="max_length is 512"):
        FlagReranker(checkpoint, max_length=512)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([PAIR, ["only one"]], "item 1"),
        ([PAIR, ["a", "b", "c"]], "item 1"),
        ([PAIR, "text"], "item 1"),
        ([PAIR, 5], "item 1"),
        ([PAIR, None], "item 1"),
        ([PAIR, ["query", 5]], "document of item 1"),
        ([PAIR, [None, "document"]], "query of item 1"),
        (["a", "b", "c"], "item 0"),
        (["a"], "item 0"),
        (["query", None], "document of item 0"),
        ("text", "expected a list"),
        ({"query": "a"}, "expected a list"),
        (None, "expected a list"),
        (7, "expected a list"),
    ],
)
def test_wrong_shapes_are_named(reranker: FlagReranker, pairs: Any, told: str) -> None:
    with pytest.raises(PairError, match=told):
        reranker.compute_score(pairs)


def test_instructions_leave_wrong_shapes_to_be_named(checkpoint: Path) -> None:
    reranker = FlagReranker(checkpoint, query_instruction_for_rerank="Find: ")
    with pytest.raises(PairError, match="item 1"):
        reranker.compute_score([PAIR, 5])  # type: ignore[list-item]


@pytest.mark.parametrize("misspelt", ["use_fp_16", "batchsize", "maxlength", "normalise"])
def test_misspelt_arguments_raise(checkpoint: Path, reranker: FlagReranker, misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        FlagReranker(checkpoint, **{misspelt: 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=misspelt):
        reranker.compute_score(PAIRS, **{misspelt: 1})  # type: ignore[arg-type]


def test_the_callers_pairs_stay_as_they_are(checkpoint: Path) -> None:
    pairs = [list(pair) for pair in PAIRS]
    FlagReranker(checkpoint, query_instruction_for_rerank="Find: ").compute_score(pairs)
    assert pairs == PAIRS


def test_closed(checkpoint: Path) -> None:
    with FlagReranker(checkpoint) as reranker:
        reranker.compute_score(PAIR)
    with pytest.raises(EngineClosed):
        reranker.compute_score(PAIR)


def test_every_argument_of_flag_embedding_is_there() -> None:
    theirs = {
        "model_name_or_path", "use_fp16", "query_instruction_for_rerank", "query_instruction_format",
        "passage_instruction_for_rerank", "passage_instruction_format", "trust_remote_code", "cache_dir", "devices",
        "batch_size", "query_max_length", "max_length", "normalize",
    }  # fmt: skip
    assert theirs <= set(inspect.signature(resift.FlagReranker).parameters)
    called = set(inspect.signature(FlagReranker.compute_score).parameters)
    assert {"sentence_pairs", "batch_size", "query_max_length", "max_length", "normalize"} <= called

"""Chunks of pairs: the next one is encoded on a thread while the engine scores the one before."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from resift.engine.engine import Engine
from resift.scoring import PairLogit, PairScorer
from resift.text.encode import EncodedPair, EncodedQuery, PairEncoder
from resift.types import Float32, TokenSequence, Windows

PAIRS = [(f"query {i % 3}", f"document {i}" * (1 + i % 4)) for i in range(40)]


class Encoder:
    """A pair's tokens are the characters of its texts."""

    def __init__(self, *, broken: str | None = None) -> None:
        self.broken = broken
        self.threads: list[str] = []
        self.chunks: list[int] = []

    def encode(
        self, pairs: Sequence[tuple[str, str]], *, windows: Windows | None, queries: dict[str, EncodedQuery]
    ) -> list[EncodedPair]:
        self.threads.append(threading.current_thread().name)
        self.chunks.append(len(pairs))
        if self.broken is not None and any(document == self.broken for _, document in pairs):
            raise ValueError(self.broken)
        ids = [np.array([ord(c) for c in query + document], np.int32) for query, document in pairs]
        return [EncodedPair((TokenSequence(one),), (), False) for one in ids]


class CountingEngine:
    """A sequence's logit is a number that its tokens alone decide."""

    def __init__(self, max_batch_tokens: int, *, fail_at: int | None = None) -> None:
        self.max_batch_tokens = max_batch_tokens
        self.calls = 0
        self.fail_at = fail_at

    def score(self, sequences: Sequence[TokenSequence], *, on_scored: Callable[[Sequence[int]], None]) -> Float32:
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("the engine failed")
        on_scored(range(len(sequences)))
        return np.array([hash(tuple(s.ids.tolist())) % 10007 for s in sequences], np.float32)


def score(encoder: Encoder, engine: CountingEngine, tell: Callable[[int, int], None] | None = None) -> list[PairLogit]:
    scorer = PairScorer(cast("PairEncoder", encoder), cast("Engine", engine))
    return scorer.score(PAIRS, windows=None, on_progress=tell)


def left_over() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("resift-encode")]


def test_chunks_change_no_score_and_no_order() -> None:
    one, many = Encoder(), Encoder()
    whole = score(one, CountingEngine(100_000))
    parts = score(many, CountingEngine(4))
    assert parts == whole
    assert len(one.chunks) == 1 and len(many.chunks) > 10 and sum(many.chunks) == len(PAIRS)


def test_one_chunk_needs_no_thread() -> None:
    encoder = Encoder()
    score(encoder, CountingEngine(100_000))
    assert encoder.threads == [threading.current_thread().name]


def test_more_chunks_are_encoded_on_one_thread_that_ends() -> None:
    encoder = Encoder()
    score(encoder, CountingEngine(4))
    assert len(set(encoder.threads)) == 1 and encoder.threads[0].startswith("resift-encode")
    assert left_over() == []


def test_the_next_chunk_is_encoded_while_the_engine_scores() -> None:
    begun = threading.Event()

    class Waiting(CountingEngine):
        def score(self, sequences: Sequence[TokenSequence], *, on_scored: Callable[..., None]) -> Float32:
            if self.calls == 0:
                assert begun.wait(30), "the second chunk was not begun while the first is scored"
            return super().score(sequences, on_scored=on_scored)

    class Telling(Encoder):
        def encode(self, pairs: Any, **options: Any) -> list[EncodedPair]:
            if self.chunks:
                begun.set()
            return super().encode(pairs, **options)

    score(Telling(), Waiting(4))


def test_no_more_than_one_chunk_is_encoded_ahead() -> None:
    encoder = Encoder()
    ahead: list[int] = []

    class Looking(CountingEngine):
        def score(self, sequences: Sequence[TokenSequence], *, on_scored: Callable[..., None]) -> Float32:
            ahead.append(len(encoder.chunks) - self.calls)
            return super().score(sequences, on_scored=on_scored)

    score(encoder, Looking(4))
    assert max(ahead) <= 2  # the one that is scored, and the next


def test_progress_is_told_by_the_caller_in_order() -> None:
    told: list[tuple[int, int]] = []
    threads: set[str] = set()

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        threads.add(threading.current_thread().name)

    score(Encoder(), CountingEngine(4), tell)
    assert told == sorted(told) and told[-1] == (len(PAIRS), len(PAIRS))
    assert threads == {threading.current_thread().name}


def test_an_error_of_a_later_chunk_comes_after_the_scores_of_earlier_ones() -> None:
    told: list[int] = []
    with pytest.raises(ValueError, match=PAIRS[-1][1]):
        score(Encoder(broken=PAIRS[-1][1]), CountingEngine(4), lambda done, _: told.append(done))
    assert told and told[-1] < len(PAIRS)
    assert left_over() == []


def test_an_error_of_the_engine_leaves_no_thread() -> None:
    with pytest.raises(RuntimeError, match="the engine failed") as caught:
        score(Encoder(), CountingEngine(4, fail_at=2))
    assert left_over() == []  # although the traceback still holds the frames
    assert caught.value is not None


def test_an_interrupt_leaves_no_thread() -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(Encoder(), CountingEngine(4), interrupt)
    assert left_over() == []


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_scores_the_same(checkpoint: Any) -> None:
    program = f"""
import os, warnings
warnings.simplefilter("ignore")
from resift import Reranker
pairs = [("egg", "boil it " * (1 + i)) for i in range(30)]
reranker = Reranker({str(checkpoint)!r}, backend="reference", max_batch_tokens=4)
scores = reranker.score(pairs).tolist()
child = os.fork()
if child == 0:
    os._exit(0 if reranker.score(pairs).tolist() == scores else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr

"""Pairs of texts in, logits out: encode each text once, score each different pair once, aggregate windows."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from resift.engine.engine import Engine
from resift.errors import ResiftWarning
from resift.text.encode import EncodedPair, EncodedQuery, PairEncoder
from resift.types import Aggregate, Float32, TokenSequence, Window, Windows

# Pairs that are tokenised and scored before the next ones are: bounds the memory of a call of any size.
_CHUNK = 1024
# A chunk fills two batches or so: smaller ones cost the tokenizer and the engine more than they let overlap. The first
# is a quarter of that, because nothing is scored while it is tokenised. Most tokens have 2 to 6 characters.
_CHARACTERS_PER_TOKEN = 12
_FIRST_SHARE = 4


_Texts: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PairLogit:
    """The raw score of one pair; the window's score is raw too."""

    logit: float
    truncated: bool
    window: Window | None


class PairScorer:
    """Score pairs of texts. Safe from many threads at once."""

    def __init__(self, encoder: PairEncoder, engine: Engine, *, unknown_id: int | None = None) -> None:
        self._encoder = encoder
        self._engine = engine
        self._unknown_id = unknown_id
        """The token to warn of, once, because the model's vocabulary was cut."""

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        windows: Windows | None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[PairLogit]:
        """Return one record a pair, in input order; equal pairs are scored once.

        `on_progress` is called with (pairs scored, pairs in all).
        """
        counts = Counter(pairs)
        report = _Report(len(pairs), on_progress)
        queries: dict[str, EncodedQuery] = {}
        results: dict[tuple[str, str], PairLogit] = {}
        chunks = list(_chunks(list(counts), self._engine.max_batch_tokens * _CHARACTERS_PER_TOKEN))

        def encode(chunk: _Texts) -> list[EncodedPair]:
            return self._encoder.encode(chunk, windows=windows, queries=queries)

        with closing(_encoded_ahead(chunks, encode)) as encodings:
            for chunk, encoded in zip(chunks, encodings, strict=True):
                self._warn_of_unknown(encoded)
                tracker = _Tracker([len(pair.sequences) for pair in encoded], [counts[pair] for pair in chunk], report)
                sequences: list[TokenSequence] = [s for pair in encoded for s in pair.sequences]
                logits = self._engine.score(sequences, on_scored=tracker.scored)
                at = 0
                for texts, pair in zip(chunk, encoded, strict=True):
                    end = at + len(pair.sequences)
                    results[texts] = combine(logits[at:end], windows, spans=pair.spans, truncated=pair.truncated)
                    at = end
        return [results[pair] for pair in pairs]

    def _warn_of_unknown(self, encoded: Sequence[EncodedPair]) -> None:
        """Say once that texts hold what was cut from the vocabulary. Subtle: two threads may both say it."""
        if self._unknown_id is None:
            return
        found = unknown_tokens(encoded, self._unknown_id)
        if found is not None:
            self._unknown_id = None
            warnings.warn(found, ResiftWarning, stacklevel=2)


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + e^-logit) without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1.0 + power)


def unknown_tokens(encoded: Sequence[EncodedPair], unknown_id: int) -> str | None:
    """Say how many of the pairs' tokens a cut vocabulary does not know; None when it knows all."""
    lengths = [(s.ids.size, np.count_nonzero(s.ids == unknown_id)) for p in encoded for s in p.sequences]
    unknown = sum(count for _, count in lengths)
    if not unknown:
        return None
    return (
        f"{unknown} of {sum(length for length, _ in lengths)} tokens are unknown to this model: its vocabulary "
        f"was cut, and these texts are of other languages or signs; the original model may know them"
    )


def combine(
    logits: Float32, windows: Windows | None, *, spans: Sequence[tuple[int, int]], truncated: bool
) -> PairLogit:
    """Return the record of a pair from the logits of its sequences, float32 [n], and their `EncodedPair`'s fields."""
    if windows is None:
        return PairLogit(float(logits[0]), truncated, None)
    best = int(np.argmax(logits))
    start, end = spans[best]
    window = Window(index=best, count=len(logits), start=start, end=end, score=float(logits[best]))
    return PairLogit(_aggregate(logits, windows.aggregate, windows.top_k), truncated, window)


def _aggregate(logits: Float32, aggregate: Aggregate, top_k: int) -> float:
    keep = {"max": 1, "mean": len(logits), "top_k_mean": top_k}[aggregate]
    best = np.sort(logits)[::-1][:keep]
    return float(np.float32(math.fsum(best.tolist()) / len(best)))


@dataclass(slots=True)
class _Report:
    """Pairs scored so far, told to the caller."""

    total: int
    tell: Callable[[int, int], None] | None
    done: int = 0

    def add(self, count: int) -> None:
        if count and self.tell is not None:
            self.done += count
            self.tell(self.done, self.total)


class _Tracker:
    """Turns scored sequences into scored pairs: a pair is done with its last window."""

    def __init__(self, sequences: Sequence[int], counts: Sequence[int], report: _Report) -> None:
        self._owner = [pair for pair, n in enumerate(sequences) for _ in range(n)]
        self._open = list(sequences)
        self._counts = counts
        self._report = report

    def scored(self, places: Sequence[int]) -> None:
        done = 0
        for place in places:
            pair = self._owner[place]
            self._open[pair] -= 1
            done += self._counts[pair] if self._open[pair] == 0 else 0
        self._report.add(done)


def _encoded_ahead(
    chunks: Sequence[_Texts], encode: Callable[[_Texts], list[EncodedPair]]
) -> Generator[list[EncodedPair]]:
    """Yield each chunk encoded, while a thread encodes the next: the engine computes without the interpreter's lock.

    One chunk needs no thread. The thread ends with the generator, which has to be closed where it is left early.
    """
    if len(chunks) < 2:
        yield from map(encode, chunks)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="resift-encode") as thread:
        ahead = thread.submit(encode, chunks[0])
        for chunk in chunks[1:]:
            encoded = ahead.result()
            ahead = thread.submit(encode, chunk)
            yield encoded
        yield ahead.result()


def _chunks(pairs: Sequence[tuple[str, str]], characters: int) -> Iterator[_Texts]:
    """Cut pairs into chunks of about so many characters, the first smaller, of `_CHUNK` pairs at most."""
    chunk: list[tuple[str, str]] = []
    room = characters // _FIRST_SHARE
    for query, document in pairs:
        size = len(query) + len(document)
        if chunk and (size > room or len(chunk) == _CHUNK):
            yield chunk
            chunk, room = [], characters
        chunk.append((query, document))
        room -= size
    if chunk:
        yield chunk

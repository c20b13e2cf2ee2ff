"""Scores of candidates by a model: each pair once, shared by all depths, kept in a folder when asked.

A query is scored the way a user waits for it: alone, its candidates in slices up to each depth, each slice timed. The
time of a depth is the sum of its slices.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from resift.errors import InputError
from resift.evaluation.plan import Plan
from resift.evaluation.significance import Float64

_Scored: TypeAlias = tuple[float, bool]
"""A score, and whether the pair was cut."""

Tell = Callable[[int, int], None]
"""Called with (queries done, queries in all)."""

_DIGEST = 12


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()


class Scorer(Protocol):
    """Whatever scores pairs: anything with this method."""

    def score(self, pairs: Any, /) -> Any:
        """Return one number for each (query, document) pair, higher for better."""


class Detail(Protocol):
    """A score and whether all of the pair was read."""

    @property
    def score(self) -> float:
        """The score."""

    @property
    def truncated(self) -> bool:
        """Whether part of the pair was not read."""


@runtime_checkable
class DetailedScorer(Protocol):
    """What scores pairs and says which it had to cut: `Reranker`."""

    def score_details(self, pairs: Any, /) -> Sequence[Detail]:
        """Return a record for each (query, document) pair."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model made of the candidates.

    Attributes:
        of: for each query, the score of each candidate down to the deepest depth.
        seconds: for each depth, how long each query took, in the order of the plan's queries; NaN where it is not
            known, which is when the scores come from a cache that was filled with other depths.
        pairs: how many were scored in all.
        reused: how many of them came out of the cache.
        cut: how many were longer than the model reads, as far as it says.
    """

    of: dict[str, list[float]]
    seconds: dict[int, Float64]
    pairs: int = 0
    reused: int = 0
    cut: int = 0


class ScoreCache:
    """Scores in a JSON Lines file of a folder, one line for each slice as soon as it is scored.

    A line is found by the texts themselves, so it serves every dataset and depth that has the same pair, and none that
    has another. A line that was cut short by a crash is passed over.

    Attributes:
        file: where they are: one for each model, named by its name and its identity.
    """

    def __init__(self, folder: Path, name: str, identity: object) -> None:
        digest = _digest(json.dumps(identity, sort_keys=True, default=str))
        readable = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)[:60]
        self.file = folder / f"{readable}-{digest}.jsonl"
        self._scores: dict[tuple[str, str], _Scored] = {}
        self._seconds: dict[tuple[str, tuple[str, ...]], float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if self.file.exists():
            for line in self.file.read_bytes().split(b"\n"):
                self._load(line)
        self._stream: IO[bytes] = self.file.open("ab")
        if self._stream.tell():
            self._stream.write(b"\n")  # ends a line that was cut short

    def _load(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            query, documents, cut = row["query"], row["documents"], set(row["cut"])
            scores, seconds = row["scores"], row["seconds"]
        except (ValueError, KeyError, TypeError):
            return  # blank, or cut short
        for place, (document, score) in enumerate(zip(documents, scores, strict=True)):
            self._scores[query, document] = score, place in cut
        self._seconds[query, tuple(documents)] = seconds

    def get(self, query: str, documents: Sequence[str]) -> tuple[list[_Scored] | None, float]:
        """Return the scores of a slice, None when one is missing, and how long they took, NaN when unknown."""
        asked, texts = _digest(query), tuple(map(_digest, documents))
        scores = [self._scores.get((asked, text)) for text in texts]
        known = [score for score in scores if score is not None]
        return (known if len(known) == len(scores) else None), self._seconds.get((asked, texts), float("nan"))

    def put(self, query: str, documents: Sequence[str], scored: Sequence[_Scored], seconds: float) -> None:
        """Keep the scores of a slice."""
        row = {
            "query": _digest(query),
            "documents": [_digest(document) for document in documents],
            "scores": [score for score, _ in scored],
            "cut": [place for place, (_, cut) in enumerate(scored) if cut],
            "seconds": seconds,
        }
        line = json.dumps(row).encode()
        self._load(line)
        self._stream.write(line + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> "ScoreCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def score_candidates(
    plan: Plan, scorer: Scorer, *, cache: ScoreCache | None = None, tell: Tell | None = None
) -> Scores:
    """Score every candidate of the plan down to its deepest depth.

    Raises InputError when the scorer does not return one finite number for each pair.
    """
    counted = _Counted()
    seconds: dict[int, list[float]] = {depth: [] for depth in plan.depths}
    of = {}
    for done, query in enumerate(plan.queries, start=1):
        documents = [plan.dataset.documents[key] for key in plan.candidates[query.id][: plan.depths[-1]]]
        scores: list[float] = []
        total = 0.0
        for begin, end in pairwise((0, *plan.depths)):
            part = documents[begin:end]
            if part:
                found, took = _slice(query.text, part, scorer, cache, counted)
                scores += [score for score, _ in found]
                counted.cut += sum(cut for _, cut in found)
                total += took
            seconds[end].append(total)
        of[query.id] = scores
        if tell is not None:
            tell(done, len(plan.queries))
    times = {depth: np.array(found) for depth, found in seconds.items()}
    return Scores(of, times, sum(map(len, of.values())), counted.reused, counted.cut)


@dataclass(slots=True)
class _Counted:
    reused: int = 0
    cut: int = 0


def _slice(
    query: str, documents: list[str], scorer: Scorer, cache: ScoreCache | None, counted: _Counted
) -> tuple[list[_Scored], float]:
    if cache is not None:
        known, took = cache.get(query, documents)
        if known is not None:
            counted.reused += len(known)
            return known, took
    start = time.perf_counter()
    given, cut = _ask(scorer, [(query, document) for document in documents])
    took = round(time.perf_counter() - start, 6)
    scores = np.asarray(given, np.float64)
    if scores.shape != (len(documents),) or not np.isfinite(scores).all():
        raise InputError(
            f"the scorer gave an array of shape {scores.shape} for {len(documents)} pairs, or one that is not finite: "
            "expected one number for each pair"
        )
    found = [(float(score), flag) for score, flag in zip(scores, cut, strict=True)]
    if cache is not None:
        cache.put(query, documents, found, took)
    return found, took


def _ask(scorer: Scorer, pairs: list[tuple[str, str]]) -> tuple[Any, list[bool]]:
    if isinstance(scorer, DetailedScorer):
        details = scorer.score_details(pairs)
        return [detail.score for detail in details], [detail.truncated for detail in details]
    return scorer.score(pairs), [False] * len(pairs)


def reranked(candidates: Sequence[str], scores: Sequence[float], depth: int) -> list[str]:
    """Return the candidates with the first `depth` sorted by (-score, place); the others follow as they were."""
    top = sorted(range(min(depth, len(candidates))), key=lambda place: (-scores[place], place))
    return [*(candidates[place] for place in top), *candidates[depth:]]


def rankings(plan: Plan, scores: Mapping[str, Sequence[float]], depth: int) -> dict[str, list[str]]:
    """Return the run of a model at a depth."""
    return {query.id: reranked(plan.candidates[query.id], scores[query.id], depth) for query in plan.queries}


def oracle(plan: Plan, depth: int) -> dict[str, list[str]]:
    """Return the best order that reranking the first `depth` candidates can give: by their grades."""
    return {
        query.id: reranked(plan.candidates[query.id], list(_grades(plan, query.id)), depth) for query in plan.queries
    }


def _grades(plan: Plan, query: str) -> Iterator[float]:
    grades = plan.dataset.qrels[query]
    return (float(grades.get(document, 0)) for document in plan.candidates[query])

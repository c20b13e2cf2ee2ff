"""What a call does, without doing it: a generator that yields what to send or how long to wait, and takes the answers.

`Client` and `AsyncClient` differ in who runs these generators (`transport.py`), and in nothing else.
"""

import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from resift.client.options import Options
from resift.client.records import Ranking, Scores, ServedModel, ServerInfo
from resift.client.replies import (
    Reply,
    error_of,
    read_explanation,
    read_info,
    read_models,
    read_ranking,
    read_scores,
)
from resift.client.requests import Request, explain_request, rank_request, score_request
from resift.errors import Overloaded, Rejected, ServerError, TimedOut, TooLarge, Unavailable
from resift.text.inputs import as_groups, as_list, as_pair, check_top_k
from resift.types import Document, Pair, PairScore, RankedDocument

if TYPE_CHECKING:
    from resift.explanation import Explanation

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
_SURE = 256
"""Documents that are sent without asking how many the server takes in one request."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request; the answer, or an error, comes within `timeout` seconds."""

    request: Request
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


Program: TypeAlias = Generator[Send | Wait, Reply | None, T]


@dataclass(slots=True)
class Known:
    """What was learned of the server, shared by all views of a client. Subtle: two threads may both learn it."""

    asked: bool = False
    max_documents: int | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls with one set of options. Immutable, so safe from many threads.

    Attributes:
        timeout: seconds that a call may take in all, its tries and waits included; None for no end.
        retries: tries after the first, when the server says 429 or 503 or does not let us connect.
        clock, jitter: seams for tests.
    """

    options: Options
    timeout: float | None
    retries: int
    known: Known = field(default_factory=Known)
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def rank(self, query: str, documents: Iterable[Document], top_k: int | None) -> Program[Ranking]:
        """Rank in one request, or score parts of the list and order them here: the result is the same."""
        check_top_k(top_k)
        found = as_list(documents, "documents")
        pairs = [as_pair(i, (query, document)) for i, document in enumerate(found)]
        if not found or top_k == 0:
            return Ranking()
        end = self._end()
        most = yield from self._most(len(found), end)
        if most is None or len(found) <= most:
            try:
                reply = yield from self._answer(rank_request(query, found, top_k, self.options), end)
                return read_ranking(reply, found, top_k)
            except TooLarge:
                if self.options.one_request or len(found) == 1:
                    raise
                most = (len(found) + 1) // 2
        scores = yield from self._orderable(pairs, most, end)
        return self._ranking(scores, range(len(found)), found, top_k)

    def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], top_k: int | None
    ) -> Program[list[Ranking]]:
        """Score the pairs of all queries together and order each list here, by the raw scores."""
        check_top_k(top_k)
        asked, groups = as_groups(queries, documents)
        pairs = [as_pair(i, (q, d)) for q, group in zip(asked, groups, strict=True) for i, d in enumerate(group)]
        if not pairs:
            return [Ranking() for _ in groups]
        end = self._end()
        most = yield from self._most(len(pairs), end)
        scores = yield from self._orderable(pairs, most, end)
        ends = list(accumulate(map(len, groups), initial=0))
        places = map(range, ends, ends[1:])
        return [self._ranking(scores, own, group, top_k) for own, group in zip(places, groups, strict=True)]

    def score_details(self, pairs: Iterable[Pair]) -> Program[Scores]:
        """Score the pairs, in input order."""
        texts = [as_pair(i, pair) for i, pair in enumerate(as_list(pairs, "pairs"))]
        if not texts:
            return Scores()
        end = self._end()
        most = yield from self._most(len(texts), end)
        return (yield from self._scores(texts, self.options, most, end))

    def score(self, pairs: Iterable[Pair]) -> Program[Scores]:
        """Score the pairs, where there is no place for a pair without a score: the first such pair raises its error."""
        scores = yield from self.score_details(pairs)
        for i, one in enumerate(scores):
            if one.error is not None:
                raise Rejected(f"item {i} has no score: {one.error}", hint="score_details tells it for each pair")
            if one.pending:
                raise TimedOut(
                    f"the deadline of {self.options.deadline_ms} ms came before the score of item {i}",
                    hint="score_details gives those that are known",
                )
        return scores

    def explain(self, query: str, document: Document) -> "Program[Explanation]":
        """Ask what each sentence of the document did for its score."""
        asked, shown = as_pair(0, (query, document))
        return read_explanation((yield from self._answer(explain_request(asked, shown, self.options), self._end())))

    def models(self) -> Program[list[ServedModel]]:
        """Ask for the models."""
        return read_models((yield from self._answer(Request("GET", "/v1/models"), self._end())))

    def info(self) -> Program[ServerInfo]:
        """Ask what the server is and takes."""
        return (yield from self._info(self._end()))

    def ready(self) -> Program[bool]:
        """Ask once whether work would be taken now; an address where nobody answers is not ready either."""
        try:
            yield from self._answer(Request("GET", "/ready", patient=False), self._end())
        except Unavailable:
            return False
        return True

    def _orderable(self, pairs: Sequence[tuple[str, Document]], most: int | None, end: float | None) -> Program[Scores]:
        """Score for an order of our own: only raw scores have it, sigmoids of large logits are equal.

        Calibrated scores, whose curve the server has, come with the raw ones.
        """
        calibrated = self.options.scores == "calibrated"
        return (
            yield from self._scores(
                pairs, self.options if calibrated else replace(self.options, scores="raw"), most, end
            )
        )

    def _scores(
        self, pairs: Sequence[tuple[str, Document]], options: Options, most: int | None, end: float | None
    ) -> Program[Scores]:
        """Score in parts of at most `most` pairs, and of half as many where the server finds one too large."""
        size = len(pairs) if most is None else most
        parts = [pairs[at : at + size] for at in range(0, len(pairs), size)][::-1]
        done: list[Scores] = []
        while parts:
            part = parts.pop()
            try:
                reply = yield from self._answer(score_request(part, options), end)
                done.append(read_scores(reply, len(part)))
            except TooLarge:
                if options.one_request or len(part) == 1:
                    raise
                half = (len(part) + 1) // 2
                parts += [part[half:], part[:half]]
        return _joined(done)

    def _ranking(
        self, call: Scores, places: Sequence[int], documents: Sequence[Document], top_k: int | None
    ) -> Ranking:
        """Order one list by its raw scores, what has none last; only then put them on the scale that was asked for.

        `places` are those of the list's documents in the call.
        """
        scores = [call[place] for place in places]
        raw = [call.raw[place] for place in places] if call.raw else [one.score for one in scores]
        keys = [(_unscored(one), 0.0 if logit is None else -logit) for one, logit in zip(scores, raw, strict=True)]
        order = sorted(range(len(documents)), key=lambda i: (keys[i], i))[:top_k]
        shown = [self._scaled(scores[i]) for i in order]
        return Ranking(
            [
                RankedDocument(i, one.score, documents[i], one.truncated, one.window, one.error, one.pending)
                for i, one in zip(order, shown, strict=True)
            ],
            info=None if call.info is None else replace(call.info, scores=self.options.scores),
            partial=any(one.pending for one in scores),
            tokens=call.tokens,
            timings=call.timings,
            raw=[raw[i] for i in order] if call.raw else (),
        )

    def _scaled(self, one: PairScore) -> PairScore:
        if self.options.scores != "sigmoid":
            return one
        if _unscored(one):
            return replace(one, score=0.0)
        window = one.window if one.window is None else replace(one.window, score=_sigmoid(one.window.score))
        return replace(one, score=_sigmoid(one.score), window=window)

    def _most(self, count: int, end: float | None) -> Program[int | None]:
        """Return how many pairs one request may hold; None when all may go together, or nobody knows."""
        if count <= _SURE or self.options.one_request:
            return None
        if not self.known.asked:
            info = yield from self._info(end)
            self.known.max_documents, self.known.asked = info.max_documents, True
        return self.known.max_documents

    def _info(self, end: float | None) -> Program[ServerInfo]:
        return read_info((yield from self._answer(Request("GET", "/info"), end)))

    def _end(self) -> float | None:
        return None if self.timeout is None else self.clock() + self.timeout

    def _left(self, end: float | None) -> float | None:
        return None if end is None else end - self.clock()

    def _answer(self, request: Request, end: float | None) -> Program[Reply]:
        """Send until there is an answer: only 'too much at once', 'not now' and 'nobody here' are tried again."""
        for attempt in range(self.retries + 1):
            try:
                reply = yield Send(request, self._left(end))
                assert reply is not None  # what runs a program answers each Send
                if reply.status < 300:
                    return reply
                raise error_of(request, reply)
            except (Overloaded, Unavailable) as error:
                seconds = self._pause(attempt, error)
                left = self._left(end)
                if not request.patient or attempt == self.retries or (left is not None and seconds >= left):
                    raise
            yield Wait(seconds)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, error: ServerError) -> float:
        """Return the seconds before the next try: never less than the server asked for, never all at the same time."""
        spread = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt) * (0.5 + 0.5 * self.jitter())
        return spread if error.retry_after is None else error.retry_after + spread * 0.5


def _joined(parts: Sequence[Scores]) -> Scores:
    """Return the scores of one call's parts as those of one request; raises ServerError when they do not belong so."""
    first = parts[0]
    if any(part.info != first.info for part in parts):
        raise ServerError("the server changed its model between two parts of one call", hint="call again")
    return Scores(
        (one for part in parts for one in part),
        info=first.info,
        partial=any(part.partial for part in parts),
        tokens=sum(part.tokens for part in parts),
        timings={name: sum(part.timings.get(name, 0.0) for part in parts) for name in first.timings},
        raw=(one for part in parts for one in part.raw),
    )


def _unscored(one: PairScore) -> bool:
    return one.error is not None or one.pending


def _sigmoid(logit: float) -> float:
    """Return the very number that the server would send: the same function, rounded to float32."""
    from resift.scoring import sigmoid

    return float(np.float32(sigmoid(logit)))

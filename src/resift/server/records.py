"""What the dialects hand to the service and get back: the same records for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from resift.types import Scale, ScoreInfo, Truncation, Window, Windows

Priority: TypeAlias = Literal["high", "normal", "low"]

LOWEST: Mapping[Scale, float] = {"raw": -100.0, "sigmoid": 0.0, "calibrated": 0.0}
"""The score of a pair that has none: not a text, or not reached before the deadline. Never that of a scored pair's
rank: such pairs come last, whatever the others' scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a request asks for, whatever its dialect.

    Attributes:
        pairs: (query, document) as they came: a document is a text or a mapping of fields; anything else gets an
            error of its own (or fails the request when `strict`). The query must be a text.
        model: name of a model of this server, None for the first.
        scores: scale of the scores in the answer.
        group: whose curve calibrated scores come from, None for the model's own setting.
        truncation, max_length, windows, template: None for the model's own settings.
        query_tokens, document_tokens: cut each query or document to so many tokens first.
        priority: of two requests that wait, the one with the higher priority goes first.
        deadline: seconds from now after which the best order known is returned, marked partial. None waits.
        strict: a pair that is not two texts, or that would be cut, fails the whole request (Unprocessable).
        fail_if_cut: only the second half of `strict`.
    """

    pairs: Sequence[tuple[object, object]]
    model: str | None = None
    scores: Scale = "sigmoid"
    group: str | None = None
    truncation: Truncation | None = None
    max_length: int | None = None
    windows: Windows | None = None
    template: str | None = None
    query_tokens: int | None = None
    document_tokens: int | None = None
    priority: Priority = "normal"
    deadline: float | None = None
    strict: bool = False
    fail_if_cut: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """One pair of the answer.

    Attributes:
        score: on the scale that was asked for; `LOWEST` of it when there is an `error` or it is `pending`.
        tokens: that the model read for it, special tokens included, all windows together; 0 when it read none.
        truncated: part of the query or the document was not read.
        window: the best window, when the document was scored in windows.
        error: why this pair has no score.
        pending: the deadline came before its score.
        cached: the score was known from before.
        raw: the raw score, where `score` is a calibrated one: curves may make two of them equal.
    """

    score: float
    tokens: int = 0
    truncated: bool = False
    window: Window | None = None
    error: str | None = None
    pending: bool = False
    cached: bool = False
    raw: float | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, on the wall clock, from the request's arrival in the service.

    Attributes:
        total: until the answer was put together.
        tokenization: until the last pair was tokenised, waiting for a tokenizer thread included.
        queue: that its sequences waited before the engine took them (mean over the pairs).
        inference: that the engine worked on batches with its sequences.
    """

    total: float = 0.0
    tokenization: float = 0.0
    queue: float = 0.0
    inference: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a `Work`.

    Attributes:
        scored: one record a pair, in input order.
        order: places in `scored`, best first: by logit, equal ones in input order; pairs without a score last.
        partial: the deadline came before all scores.
        info: what the scores depend on.
        tokens: that the model read (cached pairs count as if read: usage does not depend on luck).
        characters: of all queries (once each) and documents.
        timings: where the time went.
    """

    scored: Sequence[Scored]
    order: Sequence[int]
    partial: bool
    info: ScoreInfo
    tokens: int
    characters: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class CalibrationCard:
    """The calibration of a model: its name, and the groups that requests may name."""

    name: str
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model of this server, for `/models` and `/info`.

    Attributes:
        name: what requests call it.
        info: what its scores depend on by default; its `scores` are those of dialects that have them in 0..1.
        max_length: the longest sequence that it can be asked for.
        created: Unix time at which it was loaded.
        calibration: None when calibrated scores cannot be asked for.
    """

    name: str
    info: ScoreInfo
    max_length: int
    created: int
    calibration: CalibrationCard | None = None


class Service(Protocol):
    """What answers `Work`: all that a route needs to know. Tests of the dialects put a simple one in its place."""

    @property
    def models(self) -> Sequence[ModelCard]:
        """The models, the default one first."""

    @property
    def ready(self) -> bool:
        """Whether work would be taken and run now: not while the engine starts, restarts or drains."""

    async def run(self, work: Work) -> Outcome:
        """Score the pairs; raises errors of `server/errors.py`. Cancelling the call withdraws the rest."""

    async def read_to(self, work: Work) -> Sequence[int]:
        """Return how many characters of each document's text the model reads under the work's options.

        With windows that is all of them; without, what fits beside the query. Nothing is scored.
        """

"""What a server's answers become. Scores and documents are in the records that `Reranker` gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from resift.types import PairScore, RankedDocument, ScoreInfo

T = TypeVar("T")


class Answer(list[T], Generic[T]):
    """A list of records, as `Reranker` gives it, with what the server says of the whole call.

    Attributes:
        info: what the scores depend on; None when nothing was asked of the server (an empty list).
        partial: the deadline came before all scores: what has none is last and marked `pending`.
        tokens: that the model read for the call.
        timings: where the server's time went, in milliseconds.
        raw: of calibrated scores, the raw one of each record (None where it has none): curves may make two of them
            equal. Empty for other scores.
    """

    def __init__(
        self,
        items: Iterable[T] = (),
        *,
        info: ScoreInfo | None = None,
        partial: bool = False,
        tokens: int = 0,
        timings: Mapping[str, float] | None = None,
        raw: Iterable[float | None] = (),
    ) -> None:
        super().__init__(items)
        self.info = info
        self.partial = partial
        self.tokens = tokens
        self.timings = dict(timings or {})
        self.raw = list(raw)


class Ranking(Answer[RankedDocument]):
    """The documents of a call, best first. Of `rank_many`, tokens and timings are those of the whole call."""


class Scores(Answer[PairScore]):
    """A record for each pair, in input order."""


@dataclass(frozen=True, slots=True)
class ServedCalibration:
    """What makes a model's calibrated scores: its name, and the groups that `group=` may name."""

    name: str
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server offers.

    Attributes:
        name: what `model=` calls it.
        max_length: tokens of the longest pair that it can be asked for.
        info: what its scores depend on where a call asks for nothing else.
        created: Unix time at which it was loaded.
        calibration: None when calibrated scores cannot be asked for.
    """

    name: str
    max_length: int
    info: ScoreInfo
    created: int
    calibration: ServedCalibration | None = None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server and its default model.

    Attributes:
        model: where its default model came from: a folder's name, a hub id.
        version: of the server.
        max_documents: that one request may hold; longer calls are sent in parts. None when it does not say.
        max_length: tokens of the longest pair that is read, unless a call asks for more.
        fields: all that the server says.
    """

    model: str
    version: str
    max_documents: int | None
    max_length: int
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)

"""What the service tells about its work, for metrics and logs: a seam with nothing behind it by default."""

from typing import Protocol

from resift.engine.scheduler import BatchReport
from resift.server.records import Timings
from resift.types import Float32


class Observer(Protocol):
    """Told of everything that is worth counting. `batch`, `queue` and `engine` come from other threads."""

    def request(self, model: str, *, pairs: int, tokens: int, outcome: str, timings: Timings, partial: bool) -> None:
        """Count a request that ended. `outcome` is `ok`, `cancelled`, or the name of the error's class."""

    def batch(self, report: BatchReport) -> None:
        """Count a batch that the engine ran."""

    def cache(self, *, hits: int, misses: int) -> None:
        """Count pairs that were looked up in the score cache."""

    def queue(self, tokens: int) -> None:
        """Note how many tokens wait or are in work, after each change."""

    def score(self, model: str, logits: Float32) -> None:
        """Note the raw scores of a request, float32 [pairs]."""

    def engine(self, ready: bool) -> None:
        """Note that the engine came back or was lost."""


class Silent:
    """An observer that nobody listens to."""

    def request(self, model: str, *, pairs: int, tokens: int, outcome: str, timings: Timings, partial: bool) -> None:
        """Do nothing."""

    def batch(self, report: BatchReport) -> None:
        """Do nothing."""

    def cache(self, *, hits: int, misses: int) -> None:
        """Do nothing."""

    def queue(self, tokens: int) -> None:
        """Do nothing."""

    def score(self, model: str, logits: Float32) -> None:
        """Do nothing."""

    def engine(self, ready: bool) -> None:
        """Do nothing."""

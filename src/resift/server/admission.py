"""How much work is taken in: tokens that wait or are in work, and requests, both bounded."""

import math
import threading
from collections.abc import Callable

from resift.server.errors import Overloaded, TooLarge
from resift.server.settings import Limits

_LONGEST_WAIT = 60.0
_HALF_LIFE = 2.0
"""Seconds of engine time after which an old measurement of its speed counts half."""


class Rate:
    """Tokens per second of the engine, measured. Subtle: of two batches that end together, one may not count."""

    def __init__(self) -> None:
        self._value: float | None = None

    def add(self, tokens: int, seconds: float) -> None:
        """Take a batch into account; long ones count more."""
        if seconds <= 0:
            return
        share = 1.0 - 0.5 ** (seconds / _HALF_LIFE)
        old = self._value
        self._value = tokens / seconds if old is None else old + share * (tokens / seconds - old)

    def seconds(self, tokens: int) -> float:
        """Return how long so many tokens take, from 1 to 60 seconds; 1 before anything was measured."""
        if not self._value:
            return 1.0
        return min(max(tokens / self._value, 1.0), _LONGEST_WAIT)


class Admission:
    """The tokens and requests that were taken in and not yet answered. Safe from many threads."""

    def __init__(self, limits: Limits, rate: Rate, *, on_change: Callable[[int], None]) -> None:
        self._limits = limits
        self._rate = rate
        self._on_change = on_change
        self._lock = threading.Lock()
        self.tokens = 0
        self.requests = 0

    def enter(self, tokens: int) -> "Ticket":
        """Take in a request of about so many tokens. Raises Overloaded, or TooLarge when it would never fit."""
        most = self._limits.max_queue_tokens
        if tokens > most:
            raise too_large(tokens, most)
        with self._lock:
            if self.requests >= self._limits.max_requests:
                wait = self._rate.seconds(self.tokens // max(self.requests, 1))
                raise Overloaded(
                    f"{self.requests} requests are in work, which is the most (max_requests)",
                    retry_after=math.ceil(wait),
                )
            if self.tokens + tokens > most:
                wait = self._rate.seconds(self.tokens + tokens - most)
                raise Overloaded(
                    f"{self.tokens} tokens wait and this request has about {tokens}, at most {most} may wait "
                    f"(max_queue_tokens)",
                    retry_after=math.ceil(wait),
                )
            self.requests += 1
            ticket = Ticket(self)
            self._move(ticket, tokens)
            return ticket

    def change(self, ticket: "Ticket", tokens: int) -> None:
        """Add tokens to those that a request holds (or, below 0, take some away), unless it has left."""
        with self._lock:
            if not ticket.left:
                self._move(ticket, tokens)

    def leave(self, ticket: "Ticket") -> None:
        """Take back all that a request holds. A second call does nothing."""
        with self._lock:
            if not ticket.left:
                ticket.left = True
                self.requests -= 1
                self._move(ticket, -ticket.tokens)

    def _move(self, ticket: "Ticket", tokens: int) -> None:
        ticket.tokens += tokens
        self.tokens += tokens
        self._on_change(self.tokens)


class Ticket:
    """The share of one request in the queue: what it holds is given back when it ends, whatever happened."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.tokens = 0
        self.left = False

    def change(self, tokens: int) -> None:
        """Correct what the request holds; nothing happens after the end."""
        self._admission.change(self, tokens)

    def leave(self) -> None:
        """Give everything back. A second call does nothing."""
        self._admission.leave(self)


def too_large(tokens: int, most: int) -> TooLarge:
    """Return the error of a request that would never fit into the queue."""
    return TooLarge(
        f"the request has about {tokens} tokens, at most {most} may wait (max_queue_tokens)",
        hint="send fewer or shorter documents in one request",
    )


def expected_tokens(text: str) -> int:
    """Return about how many tokens a text has, from its length and its first characters.

    Most tokens have 3 to 5 characters, those of Chinese, Japanese and Korean 1 to 2. It is corrected once the text is
    tokenised.
    """
    dense = not text.isascii() and max(text[:64]) >= "\u2e80"
    return 1 + (len(text) * 2 // 3 if dense else len(text) // 3)

"""How long batches take, and how long they may be: measured speed and who else came lately, without a clock."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

_FORGET = 0.9
"""Weight of a measurement after the next one."""
_FIRST_PACE = 1e-4
"""Seconds that a token takes, before any was measured."""
_EFFICIENT = 40
"""A batch for throughput lasts this many times what any batch costs beside its tokens: it loses 2.5 % to that."""
_THROUGHPUT_SECONDS = 0.02
"""... and at least so long, for what the front spends on a batch is not in that cost."""
_SINGLE_TOKENS = 128
_SINGLES = 8
"""... and no longer than so many single pairs of `_SINGLE_TOKENS`: the first one that comes waits for it, and what it
loses by then is little. A busy machine's measurements alone could make it as long as they like."""
_REQUEST_SECONDS = 0.002
"""What a request costs beside the engine: HTTP and tokenising."""
_MEMORY_SECONDS = (3.0, 30.0)
_MEMORY_TASKS = 60
"""How long a short task makes batches short, for whoever sent one may send another: as long as so many of it take,
within these bounds. Short batches cost long requests 10 to 20 % (64 clients just after single pairs, 2 cores)."""
_TOGETHER = 4
"""So many short tasks that wait are one batch: then a larger batch serves all of them sooner."""


class Speed:
    """Seconds of a batch as a + b * tokens, by decaying least squares over the batches that were run."""

    def __init__(self) -> None:
        self._count = self._tokens = self._seconds = self._squares = self._products = 0.0
        self.fixed = 0.0
        self.pace = _FIRST_PACE

    @property
    def measured(self) -> bool:
        """Whether any batch was."""
        return self._count > 0

    def add(self, tokens: int, seconds: float) -> None:
        """Take a batch into account."""
        x, y = float(max(tokens, 1)), max(seconds, 1e-9)
        self._count = _FORGET * self._count + 1
        self._tokens = _FORGET * self._tokens + x
        self._seconds = _FORGET * self._seconds + y
        self._squares = _FORGET * self._squares + x * x
        self._products = _FORGET * self._products + x * y
        mean = self._seconds / self._tokens
        spread = self._squares * self._count - self._tokens**2
        flat = spread <= 0.01 * self._squares * self._count
        slope = mean if flat else (self._products * self._count - self._tokens * self._seconds) / spread
        # Subtle: batches of one size say nothing about the fixed part, and a busy machine says wild things.
        self.pace = min(max(slope, 0.5 * mean), mean)
        self.fixed = (self._seconds - self.pace * self._tokens) / self._count

    def seconds(self, tokens: int) -> float:
        """Return how long a batch should take."""
        return self.fixed + self.pace * tokens

    def tokens(self, seconds: float) -> int:
        """Return the tokens of the batch that should take so long; 0 when none is that short."""
        return max(round((seconds - self.fixed) / self.pace), 0)


@dataclass(frozen=True, slots=True)
class Limit:
    """What the next batch may be.

    Attributes:
        tokens: in it, unless a sequence alone has more.
        brief: short tasks come and go: no batch should wait behind another one, nor a short task for the rest of its
            batch.
    """

    tokens: int
    brief: bool


class Pacing:
    """The length of batches.

    While nobody is in a hurry they are as long as throughput asks for. While short tasks come and go, they are about
    as long as the shortest of these: whoever comes then waits for the rest of a batch, which is no longer than their
    own work, and has the answer within three times what it takes on an idle server.
    """

    def __init__(self, *, max_batch_tokens: int) -> None:
        self._most = max_batch_tokens
        self._speeds: dict[str, Speed] = {}
        self._recent: dict[str, deque[tuple[float, int]]] = {}

    @property
    def speeds(self) -> Mapping[str, Speed]:
        """What was measured, by model."""
        return self._speeds

    def opened(self, model: str, tokens: int, now: float) -> None:
        """Remember that a task of so many tokens came."""
        recent = self._recent.setdefault(model, deque())
        while recent and recent[-1][1] >= tokens:
            recent.pop()
        recent.append((now, tokens))

    def measured(self, model: str, tokens: int, seconds: float) -> None:
        """Take a batch into account that was run."""
        self._speeds.setdefault(model, Speed()).add(tokens, seconds)

    def seconds(self, model: str, tokens: int) -> float:
        """Return how long so many tokens of a model should take."""
        return self._speed(model).seconds(tokens)

    def shortest(self, now: float) -> tuple[str, int] | None:
        """Return model and tokens of the task that needs the least time, of those that came lately."""
        found = []
        for model, recent in self._recent.items():
            while recent and recent[0][0] < now - self._memory(model, recent[0][1]):
                recent.popleft()
            if recent:
                found.append((self.seconds(model, recent[0][1]), model, recent[0][1]))
        return min(found)[1:] if found else None

    def limit(self, model: str, now: float, *, waiting: int = 1) -> Limit:
        """Return what the next batch of a model may be; `waiting` is how many short tasks wait."""
        speed = self._speed(model)
        steady = max(_THROUGHPUT_SECONDS, min(_EFFICIENT * speed.fixed, _SINGLES * speed.seconds(_SINGLE_TOKENS)))
        shortest = self.shortest(now)
        brief = steady
        if shortest is not None:
            brief = _REQUEST_SECONDS + self.seconds(*shortest) * max(1.0, waiting / _TOGETHER)
        tokens = max(min(speed.tokens(min(steady, brief)), self._most), 1)
        return Limit(tokens, brief < steady)

    def _memory(self, model: str, tokens: int) -> float:
        least, most = _MEMORY_SECONDS
        return min(max(_MEMORY_TASKS * self.seconds(model, tokens), least), most)

    def _speed(self, model: str) -> Speed:
        return self._speeds.get(model, _UNMEASURED)


_UNMEASURED = Speed()

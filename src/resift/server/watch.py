"""When batches were begun and how long they took, for the timings of the requests that are in them."""

import threading
from collections.abc import Callable
from typing import TypeAlias

from resift.types import Float32, PackedBatch

Forward: TypeAlias = Callable[[str, PackedBatch], Float32]


class BatchWatch:
    """Runs batches, and knows of each thread when its last one was begun and how long it took."""

    def __init__(self, forward: Forward, clock: Callable[[], float]) -> None:
        self._forward = forward
        self._clock = clock
        self._local = threading.local()

    def forward(self, model: str, batch: PackedBatch) -> Float32:
        """Run a batch: for the scheduler, whose callbacks come on the same thread afterwards."""
        begun = self._clock()
        logits = self._forward(model, batch)
        self._local.last = (begun, self._clock() - begun)
        return logits

    def last(self) -> tuple[float, float]:
        """Return when this thread's last batch was begun, and the seconds that it took."""
        last: tuple[float, float] = self._local.last
        return last

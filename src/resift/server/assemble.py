"""From a request's scored pairs to its answer."""

import math
from collections.abc import Callable

import numpy as np

from resift.calibration.choosing import scaled
from resift.server.cache import Known
from resift.server.records import LOWEST, Outcome, Scored, Timings
from resift.server.request import Request, Slot
from resift.types import Float32, Scale, Window


def assemble(request: Request, timings: Timings) -> Outcome:
    """Put the answer together from what is known; pairs that are not are marked pending."""
    scale = request.work.scores
    scaling = scaled(scale, request.policy.curve)
    made: dict[int, tuple[Scored, float]] = {}
    scored: list[Scored] = []
    order = np.full(len(request.work.pairs), math.inf)
    for place in range(len(request.work.pairs)):
        owner = request.owners[place] if place < len(request.owners) else None
        if owner is None:
            error = request.errors.get(place)
            scored.append(Scored(LOWEST[scale], error=error, pending=error is None))
            continue
        if owner not in made:
            slot = request.slots[owner]
            known = slot.known  # Subtle: looked at once, because after a deadline the tokenizer may still find more
            made[owner] = _scored(slot, known, scale, scaling), math.inf if known is None else -known.pair.logit
        record, order[place] = made[owner]
        scored.append(record)
    return Outcome(
        scored=scored,
        # Subtle: the order is that of the logits, because sigmoids of large logits are equal in float32.
        order=np.argsort(order, kind="stable").tolist(),
        partial=any(record.pending for record in scored),
        info=request.policy.info,
        tokens=sum(record.tokens for record in scored),
        characters=request.characters,
        timings=timings,
    )


def known_logits(request: Request) -> Float32:
    """Return the raw scores of the request's different pairs that are known, float32 [pairs]."""
    return np.array([slot.known.pair.logit for slot in request.slots if slot.known is not None], np.float32)


def _scored(slot: Slot, known: Known | None, scale: Scale, scaling: Callable[[float], float]) -> Scored:
    if known is None:
        return Scored(LOWEST[scale], error=slot.error, pending=slot.error is None)
    pair, tokens = known.pair, known.tokens
    window = pair.window
    if window is not None:
        window = Window(window.index, window.count, window.start, window.end, scaling(window.score))
    raw = pair.logit if scale == "calibrated" else None
    return Scored(scaling(pair.logit), tokens, pair.truncated, window, cached=slot.cached, raw=raw)

"""Is the network in torch the model that resift scores with? Asked before training, and of what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from resift.errors import TrainingFailed
from resift.loading.checkpoint import Checkpoint
from resift.training.examples import Example
from resift.training.texts import engine_scores
from resift.types import TokenSequence

if TYPE_CHECKING:
    from resift.training.network import Network

TOLERANCE = 1e-4
"""How far scores may be apart, of the score where that is above 1: both add in float32, in another order."""
_COMPARED = 16
_BUDGET = 4096


def check_same(checkpoint: Checkpoint, network: Network, sequences: Sequence[TokenSequence], *, when: str) -> None:
    """Raise TrainingFailed unless torch and resift give the same scores."""
    from resift.training.network import score

    ours = engine_scores(checkpoint, sequences)
    theirs = score(network, sequences, pad_id=pad_id(checkpoint), budget=_BUDGET)
    apart = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    if not float(apart.max()) <= TOLERANCE:
        worst = int(np.argmax(apart))
        raise TrainingFailed(
            f"{when}, torch and resift score differently: {theirs[worst]:.6f} and {ours[worst]:.6f}; what is trained "
            "would not be what is used",
            hint="please report this with the model's config.json",
        )


def sample_pairs(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Return pairs from all over the data: short and long, relevant and not."""
    places = np.unique(np.linspace(0, len(examples) - 1, _COMPARED).round().astype(int))
    chosen = [examples[place] for place in places]
    return [(one.query, text) for one in chosen for text in (one.positives[0], *one.negatives[:1])]


def pad_id(checkpoint: Checkpoint) -> int:
    """Return the id that fills batches up; what it is changes no score."""
    value = checkpoint.config.get("pad_token_id")
    return value if isinstance(value, int) else 0

"""Which sequences run together."""

from collections.abc import Sequence


def plan(lengths: Sequence[int], max_batch_tokens: int) -> list[list[int]]:
    """Group sequences into batches of at most `max_batch_tokens` tokens; a longer one is alone in its batch.

    Longest first, so that a batch holds similar lengths and the workers end together. Returns the places of
    the sequences in `lengths`, every one exactly once.
    """
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not batches or lengths[i] > room:
            batches.append([])
            room = max_batch_tokens
        batches[-1].append(i)
        room -= lengths[i]
    return batches

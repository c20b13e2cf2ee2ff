"""Padded batches of similar lengths, for the peers that get token ids: the best that plain padding can do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from benchmarks.peers import MAX_LENGTH, Pairs, Score

_BATCH = 16


def by_length(folder: Path, run: Callable[[np.ndarray, np.ndarray], np.ndarray], *, pad_id: int) -> Score:
    """Return a function that tokenises pairs, sorts them by length and runs batches of 16.

    `run` gets token ids and attention mask, int64 [batch, tokens], and returns logits.
    """
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_LENGTH)

    def score(pairs: Pairs) -> np.ndarray:
        ids = [encoding.ids for encoding in tokenizer.encode_batch(pairs)]
        logits = np.empty(len(ids), dtype=np.float32)
        for places in _batches([len(item) for item in ids]):
            longest = max(len(ids[i]) for i in places)
            padded = np.full((len(places), longest), pad_id, dtype=np.int64)
            mask = np.zeros_like(padded)
            for row, i in enumerate(places):
                padded[row, : len(ids[i])] = ids[i]
                mask[row, : len(ids[i])] = 1
            logits[places] = run(padded, mask).reshape(-1)
        return logits

    return score


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for start in range(0, len(order), _BATCH):
        yield order[start : start + _BATCH]

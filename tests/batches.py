"""Token sequences for tests of backends."""

from collections.abc import Iterable, Sequence

import numpy as np

from resift.types import ModelSpec, PackedBatch


def random_sequences(spec: ModelSpec, lengths: Iterable[int], *, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (ids, types) of sequences of these lengths, framed as the family frames a pair.

    The ids between stay clear of the special tokens: transformers derives the positions of the RoBERTa families from
    where the padding token is, even inside a text.
    """
    words = np.random.PCG64(seed)
    sequences = []
    for length in lengths:
        ids = (words.random_raw(length) % (spec.vocab - 6)).astype(np.int32) + 5
        ids[0], ids[-1] = spec.cls_id, spec.sep_id
        query = max(length // 3, 1)
        ids[query : min(query + spec.separators, length - 1)] = spec.sep_id
        types = np.zeros(length, dtype=np.int32)
        types[query + spec.separators :] = spec.document_type
        sequences.append((ids, types))
    return sequences


def packed(sequences: Sequence[tuple[np.ndarray, np.ndarray]]) -> PackedBatch:
    """Lay sequences end to end."""
    types = np.concatenate([types for _, types in sequences])
    return PackedBatch(
        ids=np.concatenate([ids for ids, _ in sequences]),
        offsets=np.cumsum([0] + [len(ids) for ids, _ in sequences], dtype=np.int64),
        types=types if types.any() else None,
    )

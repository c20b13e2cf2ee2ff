"""Ids that may be found, as expressions of Milvus."""

import json
from collections.abc import Sequence

import numpy as np

from resift.types import Int64

RANGES = 200
"""Ranges in one expression: Milvus Lite's time for them grows with their square."""
RUN = 16
"""Consecutive ids from which on a range is shorter than its members."""


def expressions(field: str, ids: Int64 | Sequence[str], *, size: int) -> list[str]:
    """Return filters of which each lets other ids through, and all together these ids; none for no ids.

    >>> expressions("id", np.array([3, 1, 2, 9]), size=3)
    ['id in [1, 2, 3]', 'id in [9]']
    """
    if not isinstance(ids, np.ndarray):
        return lists(field, sorted(set(ids)), size=size)
    unique = np.unique(ids)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(unique) != 1])[: len(unique)])
    lengths = np.diff(np.concatenate([starts, [len(unique)]]))
    long = lengths >= RUN
    bounds = zip(unique[starts[long]], unique[(starts + lengths - 1)[long]], strict=True)
    ranges = [f"({field} >= {first} and {field} <= {last})" for first, last in bounds]
    alone = lists(field, unique[~np.repeat(long, lengths)].tolist(), size=size)
    joined = [" or ".join(ranges[start : start + RANGES]) for start in range(0, len(ranges), RANGES)]
    if len(alone) == len(joined) == 1:
        return [f"{joined[0]} or {alone[0]}"]
    return [*joined, *alone]


def lists(field: str, ids: Sequence[int | str], *, size: int) -> list[str]:
    """Return filters that name at most `size` ids each."""
    parts = [ids[start : start + size] for start in range(0, len(ids), size)]
    return [f"{field} in {json.dumps(part, ensure_ascii=False)}" for part in parts]


def both(one: str, other: str) -> str:
    """Return the filter that lets through what passes both; an empty one lets all through."""
    return f"({one}) and ({other})" if one and other else one or other

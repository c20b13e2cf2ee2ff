"""The lists of several stores become one."""

from collections.abc import Mapping, Sequence

from resift.retrieval.protocols import Hit


def fuse(method: str, lists: Mapping[str, Sequence[Hit]], weights: Mapping[str, float]) -> list[Hit]:
    """Return one list of the passages of all lists, sorted by (-score, id)."""
    scores: dict[int, float] = {}
    for name, hits in lists.items():
        for rank, hit in enumerate(hits, 1):
            scores[int(hit.id)] = scores.get(int(hit.id), 0.0) + weights.get(name, 1.0) / (60 + rank)
    return [Hit(number, score) for number, score in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]

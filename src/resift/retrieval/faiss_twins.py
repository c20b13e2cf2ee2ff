"""Documents of one vector, which share a node of a graph."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from resift.retrieval.faiss_tail import Mask
from resift.types import Float32, Int64


@dataclass(frozen=True, slots=True)
class Twins:
    """Which places share a node.

    Attributes:
        node: [places], the node of each.
        order: places sorted by their nodes.
        start: [nodes + 1], where in `order` the places of each node begin.
    """

    node: Int64
    order: Int64
    start: Int64

    @classmethod
    def of(cls, node: Int64) -> "Twins":
        """Return the twins of the nodes by place; every node has a place."""
        order = np.argsort(node, kind="stable")
        start = np.searchsorted(node[order], np.arange(int(node.max()) + 2))
        return cls(node, order, start)

    def nodes(self, mask: Mask) -> Mask:
        """Return which nodes have one of these places."""
        nodes = np.zeros(len(self.start) - 1, bool)
        nodes[self.node[mask]] = True
        return nodes

    def places(self, nodes: Int64, scores: Float32, usable: Mask | None) -> tuple[Int64, Float32]:
        """Return the places of nodes, those that are usable, each with the score of its node."""
        counts = self.start[nodes + 1] - self.start[nodes]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self.order[np.repeat(self.start[nodes], counts) + within]
        spread = np.repeat(scores, counts)
        if usable is None:
            return places, spread
        return places[usable[places]], spread[usable[places]]


def joined(kept: Iterable[Any], codes: Iterable[Any]) -> tuple[Int64, Int64]:
    """Return the nodes of new codes, and which of them make nodes of their own.

    Args:
        kept: the codes of nodes 0, 1, 2 ..., rows of bytes, no two the same.
        codes: the new ones.
    """
    seen = {_digest(code): node for node, code in enumerate(kept)}
    nodes: list[int] = []
    fresh: list[int] = []
    for place, code in enumerate(codes):
        own = len(seen)
        nodes.append(seen.setdefault(_digest(code), own))
        if nodes[-1] == own:
            fresh.append(place)
    return np.array(nodes, np.int64), np.array(fresh, np.int64)


def _digest(code: Any) -> bytes:
    return blake2b(code, digest_size=16).digest()

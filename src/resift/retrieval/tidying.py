"""Which segments are merged, and when: every posting is written a few times in all, however documents come.

A segment's fullness is its share of what one may hold, by documents or by postings, whichever is larger. Segments of
one level are within a factor of 8 of each other. Eight of a lower level make one of the next (O'Neil et al. 1996, the
log-structured merge tree); at the top those that are at most half full are merged once they fill one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FAN = 8
FULL = 0.75
"""Fullness from which a segment made of others is as good as a full one."""
MOST_DEAD = 0.3
"""Share of deleted documents from which a segment is written again."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what a segment may hold is there.

    Attributes:
        fullness: of the documents that are left, above 0 and at most 1 (or more, for one huge document).
        dead: share of its documents that are deleted.
        first: what segments are put in order by when they are packed: the smallest id.
    """

    fullness: float
    dead: float
    first: int


def choose(loads: Sequence[Load]) -> list[int] | None:
    """Return the places of the segments to make one of next, or None when all is well."""
    for place, load in enumerate(loads):
        if load.dead > MOST_DEAD:
            return [place]
    levels: dict[int, list[int]] = {}
    for place, load in enumerate(loads):
        levels.setdefault(_level(load.fullness), []).append(place)
    for level, places in sorted(levels.items(), reverse=True):
        if level > 0 and len(places) >= FAN:
            return places[:FAN]
    small = [place for place in levels.get(0, []) if loads[place].fullness <= 0.5]
    small.sort(key=lambda place: loads[place].fullness)
    chosen: list[int] = []
    total = 0.0
    for place in small:
        if total + loads[place].fullness > 1:
            return sorted(chosen)
        chosen.append(place)
        total += loads[place].fullness
    return sorted(chosen) if len(chosen) > 1 and total > FULL else None


def pack(loads: Sequence[Load]) -> list[list[int]]:
    """Return groups of neighbours, by id, that fit into one segment each."""
    groups: list[list[int]] = []
    total = 0.0
    for place in sorted(range(len(loads)), key=lambda place: loads[place].first):
        if not groups or total + loads[place].fullness > 1:
            groups.append([])
            total = 0.0
        groups[-1].append(place)
        total += loads[place].fullness
    return groups


def _level(fullness: float) -> int:
    """Return 0 above 1/8, 1 above 1/64, and so on."""
    level, bound = 0, 1 / FAN
    while fullness <= bound and level < 16:
        level, bound = level + 1, bound / FAN
    return level

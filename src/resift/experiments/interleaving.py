"""Team-draft interleaving: two rankings in one list, and who chose what.

Radlinski, Kurup, Joachims: How does clickthrough data reflect retrieval quality? CIKM 2008. In rounds, a coin says
which ranking picks first; each picks its best document that is not in the list yet. Clicks on a ranking's picks are
its points. Documents that both rankings have in the same places at the top are nobody's: whoever were given them would
get points by the coin alone (Chapelle, Joachims, Radlinski, Yue: Large-scale validation and analysis of interleaved
search evaluation, TOIS 2012, discuss credit and its noise).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from resift.errors import InputError

TEAMS = ("a", "b")
BOTH = "both"


@dataclass(frozen=True, slots=True)
class Interleaved:
    """One list made of two rankings.

    Attributes:
        documents: ids in the order to show.
        teams: for each of them "a", "b", or "both" for the top that the rankings share. Log it with every click.
    """

    documents: list[str]
    teams: list[str]


def team_draft(a: Sequence[str], b: Sequence[str], *, key: Sequence[str], top_k: int | None = None) -> Interleaved:
    """Interleave the ids of two rankings.

    `key` seeds the coins: with (experiment, user, query) the same user sees the same list again when the page is
    reloaded. At every length the teams differ by one document at most, unless one ranking has run out. Raises
    InputError when a ranking names a document twice.
    """
    for name, ranking in zip(TEAMS, (a, b), strict=True):
        if len(set(ranking)) < len(ranking):
            raise InputError(f"ranking {name!r} names a document twice")
    if isinstance(key, str):
        raise InputError(f"key is the text {key!r}: expected several, such as (experiment, user, query)")
    limit = len(a) + len(b) if top_k is None else top_k
    shared = _shared(a, b)
    documents, teams = list(a[:shared]), [BOTH] * shared
    seen = set(documents)
    coins = _coins(key)
    places = [shared, shared]
    while len(documents) < limit:
        first = next(coins)
        before = len(documents)
        for team in (first, 1 - first):
            ranking = (a, b)[team]
            while places[team] < len(ranking) and ranking[places[team]] in seen:
                places[team] += 1
            if places[team] < len(ranking):
                seen.add(ranking[places[team]])
                documents.append(ranking[places[team]])
                teams.append(TEAMS[team])
        if len(documents) == before:
            break
    return Interleaved(documents[:limit], teams[:limit])


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many documents at the top are the same in both."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count


def _coins(key: Sequence[str]) -> Iterator[int]:
    """Yield fair coins that depend on the key alone; lengths go in, so that ("ab", "c") is not ("a", "bc")."""
    start = blake2b(digest_size=32)
    for part in key:
        data = str(part).encode("utf-8", "surrogatepass")
        start.update(len(data).to_bytes(8, "big") + data)
    block = 0
    while True:
        hashed = start.copy()
        hashed.update(block.to_bytes(8, "big"))
        bits = int.from_bytes(hashed.digest(), "big")
        for _ in range(256):
            yield bits & 1
            bits >>= 1
        block += 1

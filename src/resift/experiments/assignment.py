"""Which users get which arm: a pure function of the experiment's name and the user's id.

No table of users and no network: every process, today and after an update, gives the same answer. The hash is
blake2b, keyed by nothing; the experiment's name in front of the user's id makes experiments independent of each other.
The values are part of the contract (`tests/experiments/test_assignment.py` holds them): changing them would move the
users of every running experiment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import accumulate

from resift.errors import InputError

_BYTES = 8
_ALL = 1 << (8 * _BYTES)
_SEPARATOR = "\0"


class Experiment:
    """Gives every user an arm, always the same.

        experiment = Experiment("reranker-2024-06", {"control": 1, "reranker": 1})
        if experiment.arm(user_id) == "reranker":
            ...

    `share` is the part of all users who take part; the others get None. Raising it later moves nobody from one arm to
    another. Safe from many threads.
    """

    def __init__(
        self, name: str, arms: Mapping[str, float] | Sequence[str] = ("control", "treatment"), *, share: float = 1.0
    ) -> None:
        self.name = _name(name)
        self.arms = _weights(arms)
        if not 0 < share <= 1:
            raise InputError(f"share is {share!r}: expected a part of the users, above 0 and at most 1")
        self.share = share
        self._names = list(self.arms)
        exact = [Fraction(weight) for weight in self.arms.values()]
        self._bounds = [int(_ALL * bound / sum(exact)) for bound in accumulate(exact)][:-1]
        self._enrolled = int(_ALL * Fraction(share))
        self._arm_hash = blake2b(f"{name}{_SEPARATOR}arm{_SEPARATOR}".encode(), digest_size=_BYTES)
        self._share_hash = blake2b(f"{name}{_SEPARATOR}share{_SEPARATOR}".encode(), digest_size=_BYTES)

    def arm(self, user: str | int) -> str | None:
        """Return the user's arm, or None for users outside `share`; the id 7 and the id "7" are one user.

        Raises InputError for an empty id or one that is neither text nor a whole number: such users would all share
        one arm.
        """
        if isinstance(user, int) and not isinstance(user, bool):
            user = str(user)
        if not isinstance(user, str) or not user:
            raise InputError(f"the user's id is {user!r}: expected a text that is not empty, or a whole number")
        data = user.encode("utf-8", "surrogatepass")
        if self._enrolled < _ALL and _point(self._share_hash, data) >= self._enrolled:
            return None
        return self._names[bisect_right(self._bounds, _point(self._arm_hash, data))]

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {self.arms!r}, share={self.share!r})"


def _point(started: blake2b, data: bytes) -> int:
    hashed = started.copy()
    hashed.update(data)
    return int.from_bytes(hashed.digest(), "big")


def _name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or _SEPARATOR in name:
        raise InputError(f"the experiment's name is {name!r}: expected a text; it decides who gets which arm")
    return name


def _weights(arms: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    if isinstance(arms, str):
        raise InputError(f"arms is the text {arms!r}: expected names, such as ['control', 'reranker']")
    weights = dict(arms) if isinstance(arms, Mapping) else dict.fromkeys(arms, 1.0)
    if len(weights) < 2 or len(weights) < len(arms):
        raise InputError(f"the arms are {list(arms)}: expected two names or more, each once; the first is the control")
    for name, weight in weights.items():
        if not isinstance(name, str) or not name:
            raise InputError(f"an arm is called {name!r}: expected a text")
        if not 0 < weight < float("inf"):
            raise InputError(f"arm {name!r} has the weight {weight!r}: expected a number above 0")
    return weights

"""Find out from the clicks on interleaved lists which ranking users choose.

Each user is one observation: the ranking whose documents were clicked more. Users who clicked both alike decide
nothing (the sign test). The bootstrap draws users too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resift.errors import InputError
from resift.experiments.interleaving import BOTH, TEAMS
from resift.experiments.planning import decided_users
from resift.experiments.reading import Row, read_rows
from resift.experiments.special import functions
from resift.experiments.wording import count, p_text

_ROUNDS = 2000
_MIXTURE = 20.0
"""Looks first for shares of wins near 0.5 +- 0.08; any value is valid."""


def read_choices(
    files: Sequence[Path], *, columns: Mapping[str, str] | None = None, skip_bad: bool = False
) -> tuple[dict[str, tuple[int, int]], Counter[str]]:
    """Return the clicks of each user on a's and on b's documents, and what was left out.

    Columns: `user`, `team` ("a", "b" or "both", as `Interleaved.teams` has it), and `impression` with `position` where
    double clicks should count once. Raises InputError with file and line.
    """
    clicks: dict[str, tuple[int, int]] = {}
    counts: Counter[str] = Counter()
    seen: set[tuple[str, str, float]] = set()
    for file in files:
        for row in read_rows(file, columns or {}):
            try:
                if not isinstance(row, Row):
                    raise row
                user, team, key = _choice(row)
            except InputError as error:
                if not skip_bad:
                    raise
                counts["bad lines"] += 1
                del error
                continue
            if key is not None and key in seen:
                counts["duplicate clicks"] += 1
                continue
            if key is not None:
                seen.add(key)
            a, b = clicks.get(user, (0, 0))
            if team == BOTH:
                counts["clicks on what both rankings have at the top"] += 1
            clicks[user] = a + (team == TEAMS[0]), b + (team == TEAMS[1])
    return clicks, counts


def _choice(row: Row) -> tuple[str, str, tuple[str, str, float] | None]:
    user, team = row.text("user"), row.text("team")
    if team not in (*TEAMS, BOTH):
        raise row.error(f"'team' is {team!r}: expected 'a', 'b' or 'both'")
    impression, position = row.optional_text("impression"), row.number("position")
    return user, team, None if impression is None or position is None else (user, impression, position)


def analyse_choices(
    clicks: Mapping[str, tuple[int, int]],
    *,
    alpha: float = 0.05,
    left_out: Mapping[str, int] | None = None,
    title: str = "Interleaving",
    seed: int = 0,
) -> dict[str, Any]:
    """Return the report: wins of users, an exact test and interval, and the share of clicks with its bootstrap."""
    pairs = np.array(list(clicks.values()), dtype=float).reshape(-1, 2)
    wins_a, wins_b = int((pairs[:, 0] > pairs[:, 1]).sum()), int((pairs[:, 1] > pairs[:, 0]).sum())
    decided = wins_a + wins_b
    if not decided:
        raise InputError("no user chose one ranking over the other: there is nothing to analyse")
    chose = pairs[pairs.sum(axis=1) > 0]
    shares = chose[:, 1] / chose.sum(axis=1)
    rng = np.random.default_rng(seed)
    values, sizes = np.unique(shares, return_counts=True)
    draws = rng.multinomial(len(shares), sizes / len(shares), size=_ROUNDS) @ values / len(shares)
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    least = _least(decided, alpha)
    report = {
        "format": 1, "kind": "interleaving", "title": title,
        "settings": {"alpha": alpha},
        "users": len(clicks), "wins_a": wins_a, "wins_b": wins_b, "ties": len(chose) - decided,
        "without_choice": len(clicks) - len(chose),
        "win_rate": wins_b / decided, "exact_interval": exact_interval(wins_b, decided, alpha),
        "p": sign_test(wins_b, decided),
        "p_any": any_time_p(wins_b, decided),
        "click_share": float(shares.mean()), "bootstrap_interval": [float(low), float(high)],
        "smallest_visible_win_rate": least,
        "quality": [{"what": what, "number": number} for what, number in sorted((left_out or {}).items())],
    }  # fmt: skip
    report["verdict"] = {"lines": _lines(report, alpha)}
    return report


def sign_test(wins: int, decided: int) -> float:
    """Return the exact two-sided p-value of `wins` heads of a fair coin."""
    return min(1.0, 2 * float(functions().bdtr(min(wins, decided - wins), decided, 0.5)))


def any_time_p(wins: int, decided: int) -> float:
    """Return a p-value that holds for any number of looks: one over Robbins' mixture likelihood ratio.

    The share of wins has the weights of Beta(a, a) under the alternative, so that the ratio is
    2^n B(wins + a, losses + a) / B(a, a), a martingale under a fair coin: exact for every number of users.
    """
    betaln = functions().betaln
    a = _MIXTURE
    logarithm = decided * math.log(2) + betaln(wins + a, decided - wins + a) - betaln(a, a)
    return math.exp(min(0.0, -float(logarithm)))


def exact_interval(wins: int, decided: int, alpha: float) -> list[float]:
    """Return Clopper and Pearson's interval of a share."""
    inverse = functions().betaincinv
    low = 0.0 if wins == 0 else float(inverse(wins, decided - wins + 1, alpha / 2))
    high = 1.0 if wins == decided else float(inverse(wins + 1, decided - wins, 1 - alpha / 2))
    return [low, high]


def _least(decided: int, alpha: float) -> float:
    """Return the smallest share for b that so many decided users show with 80% power."""
    low, high = 0.5, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if decided_users(middle, alpha=alpha) <= decided else (middle, high)
    return high


def _lines(report: Mapping[str, Any], alpha: float) -> list[str]:
    decided = report["wins_a"] + report["wins_b"]
    share = f"{100 * report['win_rate']:.1f}% of {count(decided)} users who decided chose b's documents"
    low, high = (100 * bound for bound in report["exact_interval"])
    figures = f"{share} (interval {low:.1f}% to {high:.1f}%, p {p_text(report['p'])})"
    if report["p"] > alpha:
        first = f"No preference shown: {figures}."
    else:
        first = f"Users prefer {'b' if report['win_rate'] > 0.5 else 'a'}: {figures}."
    return [
        first,
        f"So many users show a preference of {100 * report['smallest_visible_win_rate']:.1f}% or more with 80% power. "
        "Interleaving says which ranking is preferred with far fewer users than an A/B test; it does not say by how "
        "much clicks or revenue would rise.",
        "The interval and p hold for one look; 'p at any number of looks' is safe to watch.",
    ]

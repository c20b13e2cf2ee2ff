"""Intervals and p-values that stay valid however often one looks: the normal mixture of Robbins.

H. Robbins: Statistical methods related to the law of the iterated logarithm, 1970. R. Johari, P. Koomen, L. Pekelis,
D. Walsh: Always valid inference: continuous monitoring of A/B tests, Operations Research 2022 (the mixture SPRT).
S. Howard, A. Ramdas, J. McAuliffe, J. Sekhon: Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals
of Statistics 2021 (the same boundary and how to tune it). With variances that are estimated it holds in the limit
(I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas: Time-uniform central limit theory and asymptotic
confidence sequences, Annals of Statistics 2024), so nothing is said before `LEAST_USERS`.

Let z be the difference over its standard error at n users, N the users at which the interval should be narrowest, and
g = k n / N. Then, with probability 1 - alpha at all n together,

    |z| <= c(n) = sqrt((1 + 1/g) (ln(1 + g) + 2 ln(1/alpha)))
    p(n) = sqrt(1 + g) exp(-z^2 g / (2 (1 + g)))

k = -W(-alpha^2 / e) - 1, with the lower branch of Lambert's W, makes c(N) smallest. N must be chosen before looking at
outcomes: a wrong N costs some width and never the guarantee.
"""

from __future__ import annotations

import math

from resift.experiments.special import functions

LEAST_USERS = 100
"""In each arm: before, averages are not normal enough."""
PLANNED_USERS = 10_000
"""Where the interval is narrowest unless the caller says otherwise: a constant, because it may not depend on data."""


def tuning(alpha: float) -> float:
    """Return k: mixture variance over the variance of the estimate at N."""
    return float(-functions().lambertw(-(alpha**2) / math.e, -1).real - 1)


def effective_users(control: int, treatment: int) -> float:
    """Return the users of two equal arms that would tell as much."""
    return 4 / (1 / control + 1 / treatment)


def critical(users: float, *, planned: float, alpha: float) -> float:
    """Return c(n): how many standard errors the interval is wide on each side."""
    ratio = tuning(alpha) * users / planned
    return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) + 2 * math.log(1 / alpha)))


def p_value(z: float, users: float, *, planned: float, alpha: float) -> float:
    """Return the p-value of this look; the smallest of all looks so far is valid too.

    It is at most alpha exactly when |z| is at least `critical`; alpha is here because it tunes the mixture.
    """
    ratio = tuning(alpha) * users / planned
    exponent = 0.5 * math.log1p(ratio) - z * z * ratio / (2 * (1 + ratio))
    return min(1.0, math.exp(min(exponent, 0.0)))

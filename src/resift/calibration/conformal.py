"""Cut-offs that keep at least a given share of the relevant passages, with a guarantee for any finite sample.

Split conformal prediction (Vovk, Gammerman, Shafer 2005) on the raw scores of relevant passages. Passages of one query
are alike, so queries, not passages, are what may be exchanged: with K queries, query k having m_k relevant passages,
each of these weighs 1 / ((K + 1) m_k), as in Lee, Barber and Willett, "Distribution-free inference with hierarchical
data" (2023). The cut-off for a share a is

    t(a) = the highest score t with  sum over k of  share of k's relevant passages that score >= t, / (K + 1)  >=  a

and -inf, which keeps everything, where there is none, that is, when K / (K + 1) < a. With one relevant passage a query
t(a) is the floor((1 - a)(K + 1))-th lowest score. If the labelled queries and a new one are exchangeable (drawn in the
same way, in any order), a relevant passage of the new query, chosen at random, scores at least t(a) with a probability
of at least a. The probability is over the labelled sample too: one sample's own share varies around it.
"""

import math

import numpy as np
import numpy.typing as npt

LEVELS = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
"""The shares that a calibration keeps cut-offs for."""
# Sums of weights that are equal on paper differ by less than this.
_ROUNDING = 1e-9


def cutoffs(scores: npt.ArrayLike, queries: npt.ArrayLike, levels: tuple[float, ...] = LEVELS) -> list[float]:
    """Return t(a) for each level, from the raw scores of relevant passages and the query of each."""
    s = np.asarray(scores, np.float64)
    if not len(s):
        return [-math.inf for _ in levels]
    _, query = np.unique(np.asarray(queries), return_inverse=True)
    counts = np.bincount(query)
    order = np.argsort(-s, kind="stable")
    s = s[order]
    kept = np.cumsum(1 / counts[query[order]]) / (len(counts) + 1)
    last = np.append(s[1:] != s[:-1], True)  # equal scores are kept or dropped together
    s, kept = s[last], kept[last]
    found = np.searchsorted(kept, np.asarray(levels) - _ROUNDING)
    return [float(s[place]) if place < len(s) else -math.inf for place in found]


def queries_needed(level: float) -> int:
    """Return how many queries it takes for a cut-off that drops anything: the least K with K / (K + 1) >= level."""
    return math.ceil(level / (1 - level) - _ROUNDING)

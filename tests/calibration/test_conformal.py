"""Cut-offs: by their definition, and the share that they keep in simulated searches."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.calibration.conformal import LEVELS, cutoffs, queries_needed

scored = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 5)), min_size=1, max_size=25)


def by_definition(scores: list[float], queries: list[int], level: float) -> float:
    """The formula of the module's text, term by term."""
    names = sorted(set(queries))
    best = -math.inf
    for t in scores:
        kept = 0.0
        for name in names:
            own = [s for s, q in zip(scores, queries, strict=True) if q == name]
            kept += sum(s >= t for s in own) / len(own)
        if kept / (len(names) + 1) >= level - 1e-9:
            best = max(best, t)
    return best


@given(scored)
def test_cutoffs_are_those_of_the_formula(data: list[tuple[int, int]]) -> None:
    scores, queries = [float(s) for s, _ in data], [q for _, q in data]
    found = cutoffs(scores, queries)
    assert found == [by_definition(scores, queries, level) for level in LEVELS]
    assert found == sorted(found, reverse=True)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=200))
def test_with_one_passage_a_query_it_is_the_usual_quantile(scores: list[int]) -> None:
    n = len(scores)
    for level, found in zip(LEVELS, cutoffs(scores, range(n)), strict=True):  # type: ignore[arg-type]
        rank = math.floor((1 - level) * (n + 1) + 1e-9)
        assert found == (sorted(scores)[rank - 1] if rank else -math.inf)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_the_least_number_of_queries(level: float) -> None:
    n = queries_needed(level)
    assert cutoffs(np.arange(n), np.arange(n), (level,))[0] == 0
    assert cutoffs(np.arange(n - 1), np.arange(n - 1), (level,))[0] == -math.inf


def test_no_relevant_passage_keeps_everything() -> None:
    assert set(cutoffs([], [])) == {-math.inf}


@pytest.mark.parametrize("queries", [9, 40, 100])
@pytest.mark.parametrize("alike", [0.0, 2.0])
def test_the_share_that_is_kept(queries: int, alike: float) -> None:
    """New queries' passages are kept as often as was asked for, however alike the passages of one query are.

    Queries have 1 to 8 relevant passages, the more the worse they score, so that weighing passages alike would keep
    too few. The mean over samples is at least the level, and not more than 1 / (queries + 1) above it but for chance.
    """
    random = np.random.default_rng([queries, int(alike)])
    level, rounds, kept = 0.9, 3000, 0.0
    for _ in range(rounds):
        counts = random.integers(1, 9, queries + 1)
        names = np.repeat(np.arange(queries + 1), counts)
        scores = random.normal(size=len(names)) + alike * random.normal(size=queries + 1)[names] - 0.3 * counts[names]
        old = names < queries
        found = cutoffs(scores[old], names[old], (level,))[0]
        kept += (scores[~old] >= found).mean()
    noise = 3 * math.sqrt(level * (1 - level) / rounds)
    assert level - noise <= kept / rounds <= level + 1 / (queries + 1) + noise

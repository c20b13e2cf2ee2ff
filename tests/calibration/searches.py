"""Simulated searches whose truth is known, and pairs that a tiny model scores."""

from collections.abc import Sequence

import numpy as np

from resift.calibration.conditions import Conditions
from resift.calibration.fit import Labelled
from resift.calibration.maps import logistic
from resift.reranker import Reranker

CONDITIONS = Conditions("tiny", None, "0123456789abcdef", "fp32", "flag", 512, 384, None)
WORDS = ["tea", "kettle", "steam", "leaf", "plant", "air", "water", "egg", "boil", "museum", "open", "city", "train"]


def search(
    *,
    queries: int = 200,
    each: int = 10,
    slope: float = 0.8,
    intercept: float = -1.5,
    group: str | None = None,
    seed: int = 0,
) -> Labelled:
    """Pairs whose probability of relevance is logistic(slope * score + intercept)."""
    random = np.random.default_rng(seed)
    names = [f"{group} {i}" for i in range(queries) for _ in range(each)]
    scores = random.normal(0, 2.5, queries)[np.repeat(np.arange(queries), each)] + random.normal(0, 2, queries * each)
    return Labelled.of(
        scores, random.random(len(scores)) < logistic(slope * scores + intercept), names, [group] * len(scores)
    )


def together(parts: Sequence[Labelled]) -> Labelled:
    """All pairs, the queries of each part its own."""
    names = [f"{i} {query}" for i, part in enumerate(parts) for query in part.queries]
    return Labelled.of(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.relevant for part in parts]),
        names,
        [group for part in parts for group in part.groups],
    )


def pairs_of(
    reranker: Reranker, *, queries: int = 60, each: int = 8, seed: int = 0
) -> tuple[list[tuple[str, str]], list[int]]:
    """Pairs of random words, relevant the more often the higher this reranker scores them."""
    random = np.random.default_rng(0)

    def text(count: int) -> str:
        return " ".join(random.choice(WORDS, count))

    pairs = [(f"{i} {query}", text(6)) for i, query in enumerate(text(3) for _ in range(queries)) for _ in range(each)]
    scores = reranker.with_options(scores="raw").score(pairs)
    probabilities = logistic(1.5 * (scores - scores.mean()) / scores.std() - 1)
    return pairs, (random.random(len(pairs)) < probabilities).astype(int).tolist()

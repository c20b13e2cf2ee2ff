import math
import random
from functools import partial

import pytest

from resift.errors import InputError
from resift.retrieval.fusion import rrf, weighted
from resift.retrieval.protocols import Hit
from resift.retrieval.weights import FittedWeights, fit_weights


def run(quality: float, queries: int = 60, seed: int = 0) -> dict[str, list[Hit]]:
    """Lists of ten documents, with the relevant document 0 the higher the better the retriever is."""
    draw = random.Random(seed)
    found = {}
    for query in range(queries):
        scores = {id: draw.gauss(0, 1) + (quality if id == 0 else 0) for id in range(10)}
        found[f"q{query}"] = [Hit(id, scores[id]) for id in sorted(scores, key=lambda id: -scores[id])]
    return found


RELEVANT = {f"q{query}": {0: 1} for query in range(60)}


def test_the_better_run_weighs_more_and_noise_nothing() -> None:
    fit = fit_weights([run(3, seed=1), run(0.5, seed=2), run(0, seed=3)], RELEVANT)
    assert fit.weights[0] > fit.weights[1] >= 0
    assert sum(fit.weights) == pytest.approx(1)
    assert fit.fitted >= max(*fit.alone, fit.held_out)
    assert fit.held_out > fit.equal
    assert fit.alone[0] > fit.alone[1] > fit.alone[2]


def test_two_views_are_better_than_either() -> None:
    fit = fit_weights([run(1.5, seed=1), run(1.5, seed=2)], RELEVANT, fusion=partial(weighted, normalisation="none"))
    assert 0.2 <= fit.weights[0] <= 0.8
    assert fit.held_out > max(fit.alone)


def test_values_are_ndcg_and_held_out_is_not_seen() -> None:
    """One query in five wants the other list: its own fold never chooses by it."""
    good, bad = [Hit("a", 2), Hit("b", 1)], [Hit("b", 2), Hit("a", 1)]
    queries = [f"q{i}" for i in range(5)]
    one, two = dict.fromkeys(queries, good), dict.fromkeys(queries, bad)
    relevant = {query: {"a": 1} for query in queries[:4]} | {"q4": {"b": 1}}
    fit = fit_weights([one, two], relevant, fusion=rrf)
    second = 1 / math.log2(3)
    assert fit == FittedWeights(
        weights=pytest.approx((0.5, 0.5)),
        fitted=pytest.approx((4 + second) / 5),
        held_out=pytest.approx((4 + second) / 5),
        equal=pytest.approx((4 + second) / 5),
        alone=pytest.approx(((4 + second) / 5, (4 * second + 1) / 5)),
    )


def test_grades_are_gains() -> None:
    lists = {"q": [Hit("a", 3), Hit("b", 2), Hit("c", 1)]}
    relevant = {"q": {"a": 1, "b": 3, "x": 0, "y": -1}}
    runs = [{f"q{i}": lists["q"] for i in range(2)}] * 2
    fit = fit_weights(runs, {f"q{i}": relevant["q"] for i in range(2)}, folds=2)
    expected = (1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3))
    assert fit.alone == pytest.approx((expected, expected))


def test_queries_without_relevant_documents_or_lists() -> None:
    relevant = {**RELEVANT, "nothing": {0: 0}, "unknown": {0: 1}}
    fit = fit_weights([run(3, seed=1), run(0, seed=2)], relevant)
    alone = fit_weights([run(3, seed=1), run(0, seed=2)], RELEVANT).alone
    assert fit.alone == pytest.approx([value * 60 / 61 for value in alone])


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="4 queries with a relevant document"):
        fit_weights([run(1), run(1)], dict(list(RELEVANT.items())[:4]))
    with pytest.raises(InputError, match="1 runs"):
        fit_weights([run(1)], RELEVANT)

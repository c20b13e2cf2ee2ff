"""Simulated users click as their model says; the whole analysis of what they did keeps its promises."""

import numpy as np
import pytest
from scipy.stats import binomtest

from resift.errors import InputError
from resift.experiments import (
    ClickModel,
    Goal,
    Plan,
    World,
    analyse,
    analyse_choices,
    make_table,
    simulate,
    team_draft,
)
from resift.experiments.metrics import find_metric
from resift.experiments.planning import baseline_of, once_users
from resift.experiments.simulation import rankings

FAST = ("ctr", "conversion")


def test_the_position_model() -> None:
    model = ClickModel("position", noise=0.0, decay=1.0)
    rng = np.random.default_rng(0)
    rates = model.clicks(np.ones((40_000, 4)), rng).mean(axis=0)
    assert rates / rates[0] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4], rel=0.05)
    assert model.clicks(np.zeros((1000, 4)), rng).sum() == 0


def test_the_cascade_model() -> None:
    model = ClickModel("cascade", noise=0.0, patience=1.0, satisfied=1.0)
    rng = np.random.default_rng(0)
    clicked = model.clicks(np.ones((20_000, 3)), rng)
    assert clicked.sum(axis=1).max() == 1  # a click ends the search
    rates = clicked.mean(axis=0)
    assert rates == pytest.approx([rates[0], rates[0] * (1 - rates[0]), rates[0] * (1 - rates[0]) ** 2], rel=0.06)
    impatient = ClickModel("cascade", noise=0.0, patience=0.0)
    assert impatient.clicks(np.zeros((50, 3)) + 0.5, rng)[:, 1:].sum() <= 50


def test_all_noise_does_not_care_for_relevance() -> None:
    rng = np.random.default_rng(0)
    relevance = np.tile([1.0, 0.0], (60_000, 1))
    rates = ClickModel("position", noise=1.0, decay=0.0).clicks(relevance, rng).mean(axis=0)
    assert rates[0] == pytest.approx(rates[1], rel=0.06)


@pytest.mark.parametrize("wrong", [{"kind": "x"}, {"noise": 1.5}])
def test_models_that_are_none(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ClickModel(**wrong)  # type: ignore[arg-type]


def test_gain_brings_relevance_to_the_top() -> None:
    best = [
        rankings(World(gain=gain), np.random.default_rng(0))[1][:, :3].mean() for gain in (0.0, 0.3, 0.7, 1.0)
    ]  # fmt: skip
    assert best == sorted(best)
    control, treatment = rankings(World(gain=0.0), np.random.default_rng(0))
    assert (control == treatment).all()


@pytest.mark.parametrize("kind", ["position", "cascade"])
def test_false_positives_stay_at_the_nominal_rate(kind: str) -> None:
    """150 A/A tests: users who differ, several searches of each, two metrics adjusted together, looks every day."""
    once = ever = split = 0
    for seed in range(150):
        happened, _ = simulate(World(users=500, days=8, model=ClickModel(kind)), seed=seed)
        report = analyse(happened.logs(), Plan(metrics=FAST, planned_users=500))
        split += report["split"]["failed"]
        once += any(one["once"]["p_holm"] <= 0.05 for metric in report["metrics"] for one in metric["comparisons"])
        ever += any(look["comparisons"][0]["any"]["p"] <= 0.05 for look in report["sequence"])
    assert binomtest(once, 150, 0.05, alternative="greater").pvalue > 0.005
    assert binomtest(ever, 150, 0.05, alternative="greater").pvalue > 0.005
    assert split <= 2


def test_an_effect_is_found_and_not_overstated() -> None:
    """The lift of a much larger simulation is inside the intervals of 40 small ones about 95% of the time."""
    happened, _ = simulate(World(users=30_000, gain=0.365), seed=1000)
    truth = analyse(happened.logs(), Plan(metrics=["ctr"]))["metrics"][0]["comparisons"][0]["lift"]
    inside = found = 0
    for seed in range(40):
        # the queries and their documents are drawn with the seed: other seeds are other shops
        world = World(users=1500, gain=0.365, queries=2000)
        happened, _ = simulate(world, seed=seed)
        one = analyse(happened.logs(), Plan(metrics=["ctr"], planned_users=1500))["metrics"][0]["comparisons"][0]
        inside += one["any"]["lift_interval"][0] < truth < one["any"]["lift_interval"][1]
        found += one["any"]["p"] <= 0.05
    assert inside >= 36
    assert found >= 36


def test_cuped_helps_where_users_keep_their_habits() -> None:
    happened, before = simulate(World(users=3000, before_days=14), seed=2)
    assert before is not None
    plain = analyse(happened.logs(), Plan(metrics=FAST))["metrics"]
    less = analyse(happened.logs(), Plan(metrics=FAST), before=before.logs())["metrics"]
    for one, other in zip(plain, less, strict=True):
        shrunk = (other["comparisons"][0]["error"] / one["comparisons"][0]["error"]) ** 2
        assert shrunk == pytest.approx(1 - other["cuped"], abs=0.02)
    assert less[0]["cuped"] > 0.15


def test_equally_good_rankings_win_as_often() -> None:
    """Interleaving of two random orders of the same documents, 120 tests of 40 users."""
    model, rng = ClickModel(), np.random.default_rng(6)
    relevance = rng.beta(0.4, 1.6, 10)
    lied, documents = 0, [str(i) for i in range(10)]
    for test in range(120):
        choices = {}
        for user in range(40):
            a, b = rng.permutation(10), rng.permutation(10)
            shown = team_draft([documents[i] for i in a], [documents[i] for i in b], key=(str(test), str(user)))
            row = relevance[[int(document) for document in shown.documents]]
            teams = [shown.teams[i] for i in np.flatnonzero(model.clicks(row[None, :], rng)[0])]
            choices[str(user)] = teams.count("a"), teams.count("b")
        lied += analyse_choices(choices)["p"] <= 0.05
    assert binomtest(lied, 120, 0.05, alternative="greater").pvalue > 0.005


def test_a_plan_from_a_log_has_its_power_on_clicks() -> None:
    """An old log of one arm says how many users a lift needs; 60 simulated tests of that size find it as planned."""
    big, small = (World(users=users, gain=0.2, queries=2000, days=7) for users in (25_000, 4000))
    happened, _ = simulate(big, seed=900)
    lift = analyse(happened.logs(), Plan(metrics=["ctr"]))["metrics"][0]["comparisons"][0]["lift"]
    old, _ = simulate(small, seed=901)
    sample = baseline_of(make_table(old.logs()), find_metric("ctr"))
    users = 2 * once_users(Goal(baseline=sample.mean, deviation=sample.variance**0.5, lift=lift))
    searching = len(old.logs().users) / 4000  # the others are in no log
    found = 0
    for seed in range(60):
        happened, _ = simulate(World(users=round(users / searching), gain=0.2, queries=2000, days=7), seed=seed)
        found += analyse(happened.logs(), Plan(metrics=["ctr"]))["metrics"][0]["comparisons"][0]["once"]["p"] <= 0.05
    assert binomtest(found, 60, 0.8).pvalue > 0.005, (found, users, lift)

"""Team drafts are fair and repeatable; their analysis is that of scipy."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from resift.errors import InputError
from resift.experiments import ClickModel, World, analyse_choices, read_choices, team_draft
from resift.experiments.preference import any_time_p, exact_interval, sign_test
from resift.experiments.simulation import simulate_interleaving

ids = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)


@settings(max_examples=150, deadline=None)
@given(ids, ids, st.text(), st.integers(0, 12))
def test_a_draft_is_a_fair_list_of_both(a: list[str], b: list[str], key: str, top_k: int) -> None:
    shown = team_draft(a, b, key=(key, "q"), top_k=top_k)
    assert shown == team_draft(a, b, key=(key, "q"), top_k=top_k)
    assert len(shown.documents) == len(shown.teams) == min(top_k, len({*a, *b}))
    assert len(set(shown.documents)) == len(shown.documents)
    both = shown.teams.count("both")
    assert shown.documents[:both] == a[:both] == b[:both]
    for team, ranking in (("a", a), ("b", b)):
        picked = [document for document, of in zip(shown.documents, shown.teams, strict=True) if of == team]
        assert picked == [document for document in ranking if document in picked]  # in its own order
    if set(a) == set(b):
        for end in range(len(shown.teams) + 1):
            counts = Counter(shown.teams[:end])
            assert abs(counts["a"] - counts["b"]) <= 1


def test_golden_draft() -> None:
    """A user must see the same list again after an update of resift."""
    shown = team_draft(list("abcde"), list("acbfe"), key=("exp", "u1", "tea"))
    assert shown.documents == GOLDEN[0]
    assert shown.teams == GOLDEN[1]


GOLDEN: tuple[list[str], list[str]] = (["a", "c", "b", "d", "f", "e"], ["both", "b", "a", "a", "b", "b"])


def test_each_ranking_is_first_as_often() -> None:
    firsts = Counter(team_draft(["x", "y"], ["y", "x"], key=("e", f"u{i}", "q")).teams[0] for i in range(4000))
    assert binomtest(firsts["a"], 4000).pvalue > 0.001


def test_keys_are_not_glued_together() -> None:
    def drafts(first: str, second: str) -> list[list[str]]:
        return team_draft([*"abcdefghijklmnop"], [*"ponmlkjihgfedcba"], key=(first, second)).teams

    assert drafts("ab", "c") != drafts("a", "bc")


def test_what_cannot_be_drafted() -> None:
    with pytest.raises(InputError, match="twice"):
        team_draft(["a", "a"], ["b"], key=("k",))
    with pytest.raises(InputError, match="key"):
        team_draft(["a"], ["b"], key="k")


@pytest.mark.parametrize(("wins", "decided"), [(0, 1), (0, 9), (9, 9), (30, 50), (25, 50), (520, 1000)])
def test_test_and_interval_are_scipys(wins: int, decided: int) -> None:
    expected = binomtest(wins, decided)
    assert sign_test(wins, decided) == pytest.approx(expected.pvalue, abs=1e-9)
    interval = expected.proportion_ci(0.95, method="exact")
    assert exact_interval(wins, decided, 0.05) == pytest.approx([interval.low, interval.high], abs=1e-9)


def test_watching_the_exact_p_is_safe() -> None:
    """1500 fair coins watched at every toss up to 300: the fixed test fails far above 5%, the mixture does not."""
    rng = np.random.default_rng(5)
    walks = np.cumsum(rng.integers(0, 2, (1500, 300)), axis=1)
    any_time = {(n, w): any_time_p(w, n) for n in range(1, 301) for w in range(n + 1)}
    fixed = {key: sign_test(key[1], key[0]) for key in any_time if key[0] % 10 == 0}
    lied = sum(min(any_time[n + 1, w] for n, w in enumerate(walk)) <= 0.05 for walk in walks.tolist())
    lied_fixed = sum(min(fixed[n, walk[n - 1]] for n in range(10, 301, 10)) <= 0.05 for walk in walks.tolist())
    assert binomtest(lied, 1500, 0.05, alternative="greater").pvalue > 0.01
    assert lied_fixed / 1500 > 0.15


def test_an_analysis_counts_users(tmp_path: Path) -> None:
    file = tmp_path / "clicks.jsonl"
    file.write_text(
        '{"user": "u1", "team": "b", "impression": "i", "position": 1}\n'
        '{"user": "u1", "team": "b", "impression": "i", "position": 1}\n'
        '{"user": "u1", "team": "a", "impression": "i", "position": 2}\n'
        '{"user": "u1", "team": "a", "impression": "i", "position": 3}\n'
        '{"user": "u2", "team": "b"}\n{"user": "u2", "team": "b"}\n'
        '{"user": "u3", "team": "a"}\n{"user": "u3", "team": "b"}\n'
        '{"user": "u4", "team": "both"}\n'
    )
    choices, left_out = read_choices([file])
    assert choices == {"u1": (2, 1), "u2": (0, 2), "u3": (1, 1), "u4": (0, 0)}
    assert left_out == {"duplicate clicks": 1, "clicks on what both rankings have at the top": 1}
    report = analyse_choices(choices)
    assert (report["wins_a"], report["wins_b"], report["ties"], report["without_choice"]) == (1, 1, 1, 1)
    assert report["click_share"] == pytest.approx((1 / 3 + 1 + 0.5) / 3)
    assert "No preference shown" in report["verdict"]["lines"][0]


@pytest.mark.parametrize("line", ['{"user": "u1", "team": "c"}', '{"team": "a"}', "{"])
def test_bad_lines_are_named_or_counted(line: str, tmp_path: Path) -> None:
    file = tmp_path / "clicks.jsonl"
    file.write_text('{"user": "u1", "team": "a"}\n' + line + "\n")
    with pytest.raises(InputError, match=r"clicks\.jsonl, line 2"):
        read_choices([file])
    choices, left_out = read_choices([file], skip_bad=True)
    assert choices == {"u1": (1, 0)}
    assert left_out == {"bad lines": 1}


def test_nobody_chose() -> None:
    with pytest.raises(InputError, match="no user chose"):
        analyse_choices({"u": (1, 1)})


@pytest.mark.parametrize("kind", ["position", "cascade"])
def test_simulated_users_prefer_the_better_ranking_and_none_of_two_alike(kind: str) -> None:
    better: Counter[bool] = Counter()
    for gain, places in ((0.5, "better"), (None, "alike")):
        world = World(users=250, days=14, gain=gain or 0.0, model=ClickModel(kind))
        choices: dict[str, tuple[int, int]] = {}
        for click in simulate_interleaving(world, seed=4):
            a, b = choices.get(click["user"], (0, 0))
            choices[click["user"]] = a + (click["team"] == "a"), b + (click["team"] == "b")
        if places == "better":
            report = analyse_choices(choices)
            better[report["win_rate"] > 0.6 and report["p"] < 1e-4 and report["p_any"] < 1e-3] += 1
        else:  # equal rankings: all is the shared top
            with pytest.raises(InputError, match="no user chose"):
                analyse_choices(choices)
    assert better == {True: 1}

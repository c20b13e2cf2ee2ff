"""Arms of users: the same for ever, as often as meant, and independent between experiments."""

import subprocess
import sys
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from resift.errors import InputError
from resift.experiments import Experiment

USERS = [f"user-{i}" for i in range(20_000)]


def test_golden_values() -> None:
    """Users of running experiments may not change their arms with an update of resift."""
    half = Experiment("reranker-june")
    assert [half.arm(user) for user in ("u1", "u2", "u3", "u4", "u5", "u6", 7, "用户")] == GOLDEN["half"]
    several = Experiment("several", {"control": 2, "small": 1, "large": 1}, share=0.5)
    assert [several.arm(f"u{i}") for i in range(12)] == GOLDEN["several"]


GOLDEN: dict[str, list[str | None]] = {
    "half": ["treatment", "control", "control", "treatment", "control", "control", "control", "treatment"],
    "several": ["large", None, None, None, None, None, "control", "control", "control", "small", "small", None],
}


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 1, "b": 9}, {"a": 0.2, "b": 0.3, "c": 0.5}])
def test_arms_are_as_frequent_as_meant(weights: dict[str, float]) -> None:
    counts = Counter(map(Experiment("frequency", weights).arm, USERS))
    expected = [len(USERS) * weight / sum(weights.values()) for weight in weights.values()]
    assert chisquare([counts[name] for name in weights], expected).pvalue > 0.001


def test_experiments_are_independent() -> None:
    """Consecutive names and ids are the usual trap of weak hashes."""
    first, second = Experiment("test-1"), Experiment("test-2")
    pairs = Counter((first.arm(user), second.arm(user)) for user in USERS)
    table = [[pairs[a, b] for b in ("control", "treatment")] for a in ("control", "treatment")]
    assert chi2_contingency(table).pvalue > 0.001


def test_share_moves_nobody_and_is_independent_of_the_arm() -> None:
    few, many = Experiment("ramp", share=0.2), Experiment("ramp", share=0.7)
    inside = [user for user in USERS if few.arm(user) is not None]
    assert chisquare([len(inside), len(USERS) - len(inside)], [0.2 * len(USERS), 0.8 * len(USERS)]).pvalue > 0.001
    assert [few.arm(user) for user in inside] == [many.arm(user) for user in inside]
    counts = Counter(few.arm(user) for user in inside)
    assert chisquare(list(counts.values())).pvalue > 0.001


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1), st.text(min_size=1).filter(lambda name: name.strip() and "\0" not in name))
def test_any_id_has_one_arm(user: str, name: str) -> None:
    assert Experiment(name).arm(user) == Experiment(name).arm(user) in ("control", "treatment")


def test_numbers_and_their_texts_are_one_user() -> None:
    experiment = Experiment("numbers")
    assert [experiment.arm(i) for i in range(50)] == [experiment.arm(str(i)) for i in range(50)]


@pytest.mark.parametrize("user", ["", None, True, 1.5, b"u1"])
def test_ids_that_many_users_would_share_are_refused(user: object) -> None:
    with pytest.raises(InputError, match="id is"):
        Experiment("x").arm(user)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "arms", "share"),
    [
        ("", ("a", "b"), 1), ("x\0y", ("a", "b"), 1), ("x", ("a",), 1), ("x", ("a", "a"), 1), ("x", "ab", 1),
        ("x", {"a": 1, "b": 0}, 1), ("x", {"a": 1, "b": float("nan")}, 1), ("x", ("a", "b"), 0), ("x", ("a", "b"), 1.1),
    ],
)  # fmt: skip
def test_what_is_no_experiment(name: str, arms: object, share: float) -> None:
    with pytest.raises(InputError):
        Experiment(name, arms, share=share)  # type: ignore[arg-type]


def test_many_threads_get_the_same() -> None:
    experiment = Experiment("threads", share=0.5)
    expected = [experiment.arm(user) for user in USERS[:2000]]
    found: list[list[str | None]] = []
    threads = [
        threading.Thread(target=lambda: found.append([experiment.arm(user) for user in USERS[:2000]])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == [expected] * 4


def test_assignment_in_a_request_needs_no_statistics() -> None:
    code = (
        "import sys; from resift.experiments import Experiment; Experiment('x').arm('u');"
        "print([name for name in ('scipy', 'statsmodels', 'pyarrow', 'tokenizers') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"

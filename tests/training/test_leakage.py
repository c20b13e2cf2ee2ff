"""Held-out queries share nothing with training, or it is named."""

from hypothesis import given
from hypothesis import strategies as st

from resift.training.examples import Example
from resift.training.leakage import find_leaks, part, without_leaks

TRAINING = [
    Example("What is tea?", ("Tea is a drink.",), ("Rain falls.",), source="train, line 1"),
    Example("茶是什么", ("茶是饮料。",), (), source="train, line 2"),
]
HELD = [
    Example("what is TEA", ("A plant gives tea.",), source="dev, line 7"),
    Example("What do we drink?", ("tea is a drink",), source="dev, line 8"),
    Example("When does it rain?", ("Rain falls",), source="dev, line 9"),
]


def test_equal_queries_and_answers_are_named_whatever_their_case() -> None:
    leaks = find_leaks(TRAINING, HELD)
    assert [(one.text, one.training, one.held_out) for one in leaks.queries] == [
        ("what is TEA", "train, line 1", "dev, line 7")
    ]
    assert [(one.text, one.held_out) for one in leaks.documents] == [("tea is a drink", "dev, line 8")]
    assert "held-out queries are in the training data too: 1 (e.g. 'what is TEA': train, line 1 and" in leaks.lines()[0]


def test_a_negative_is_no_leak() -> None:
    assert find_leaks(TRAINING, HELD[2:]).lines() == []


def test_dropping_leaves_nothing_shared() -> None:
    kept = without_leaks(TRAINING, HELD)
    assert kept == TRAINING[1:]
    assert find_leaks(kept, HELD).lines() == []


SMALL = st.lists(
    st.builds(
        lambda query, documents: Example(f"query {query}", tuple(f"document {one}" for one in documents)),
        st.integers(0, 12),
        st.sets(st.integers(0, 12), min_size=1, max_size=2),
    ),
    max_size=40,
)


@given(SMALL, st.integers(0, 3))
def test_a_part_leaks_no_query(examples: list[Example], seed: int) -> None:
    stay, held = part(examples, 0.3, at_most=8, seed=seed)
    assert len(held) <= min(8, round(len(examples) * 0.3))
    assert sorted([*stay, *held], key=str) == sorted(examples, key=str)
    assert find_leaks(stay, held).queries == []


def test_a_part_shares_no_answers_where_that_can_be() -> None:
    examples = [Example(f"query {i}", (f"document {i // 3}",)) for i in range(300)]
    stay, held = part(examples, 0.2, at_most=1000, seed=0)
    assert 50 <= len(held) <= 60
    assert find_leaks(stay, held).documents == []
    assert part(examples[::-1], 0.2, at_most=1000, seed=0)[1] == held[::-1]
    assert part(examples, 0.2, at_most=1000, seed=1)[1] != held


def test_where_all_answers_hang_together_only_queries_are_parted() -> None:
    examples = [Example(f"query {i}", ("the one document",)) for i in range(100)]
    stay, held = part(examples, 0.2, at_most=1000, seed=0)
    assert len(held) == 20
    assert find_leaks(stay, held).documents

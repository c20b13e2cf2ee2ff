"""Which documents come when follows from the seed alone."""

from collections import Counter

import pytest

from resift.training.examples import Example
from resift.training.groups import Groups, steps_of

EXAMPLES = [
    Example(
        f"query {i}",
        tuple(f"good {i} {j}" for j in range(1 + i % 2)),
        tuple("long " * (i % 7) + f"bad {i} {j}" for j in range(1 + i % 5)),
        tuple(float(i + j) for j in range(1 + i % 2)),
        tuple(float(-i - j) for j in range(1 + i % 5)),
    )
    for i in range(50)
]


def make(examples: list[Example] = EXAMPLES, *, epochs: float = 2, seed: int = 0) -> Groups:
    return Groups(examples, size=4, batch=8, epochs=epochs, seed=seed, longest=100)


def test_every_query_comes_once_an_epoch() -> None:
    groups = make()
    assert len(groups) == 100
    for epoch in (range(50), range(50, 100)):
        assert Counter(groups[i].query for i in epoch) == Counter(one.query for one in EXAMPLES)
    assert [groups[i].query for i in range(50)] != [groups[i].query for i in range(50, 100)]


def test_a_group_is_one_positive_and_negatives_with_their_scores() -> None:
    of = {one.query: one for one in EXAMPLES}
    for group in (make()[i] for i in range(100)):
        example = of[group.query]
        assert group.documents[0] in example.positives
        assert set(group.documents[1:]) <= set(example.negatives)
        assert len(group.documents) == len(set(group.documents)) == 1 + min(3, len(example.negatives))
        scores = dict(
            zip(
                (*example.positives, *example.negatives),
                (*example.positive_scores, *example.negative_scores),
                strict=True,
            )
        )
        assert group.teacher == tuple(scores[text] for text in group.documents)


def test_any_place_can_be_asked_for_first() -> None:
    """A run that goes on sees what an uninterrupted one sees."""
    forwards = [make()[i] for i in range(100)]
    backwards = make()
    assert [backwards[i] for i in reversed(range(100))] == forwards[::-1]
    assert [make(seed=1)[i] for i in range(100)] != forwards


def test_batches_have_like_lengths() -> None:
    examples = [Example(f"q{i}", ("x" * (4 * (i % 40)),), ("y" * (4 * (i % 40)),)) for i in range(400)]
    groups = make(examples, epochs=1)
    lengths = [len(groups[i].documents[0]) for i in range(400)]
    spread = [max(lengths[at : at + 8]) - min(lengths[at : at + 8]) for at in range(0, 400, 8)]
    assert max(spread) <= 4 * 8
    assert lengths != sorted(lengths, reverse=True)


def test_parts_of_an_epoch_and_the_end() -> None:
    groups = make(epochs=0.5)
    assert len(groups) == 25
    with pytest.raises(IndexError):
        groups[25]
    assert len(make([])) == 0


def test_steps() -> None:
    assert steps_of(100, batch=8, accumulate=1, devices=1) == 13
    assert steps_of(100, batch=8, accumulate=2, devices=1) == 7
    assert steps_of(100, batch=8, accumulate=2, devices=4) == 2

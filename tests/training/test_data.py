"""Training, dev and test data: parted, never shared in silence."""

from dataclasses import replace
from pathlib import Path

import pytest

from resift.errors import InputError
from resift.training.data import Data, gather
from resift.training.examples import Example, normalise
from resift.training.settings import Settings
from tests.training import toy


def queries(data: Data) -> tuple[set[str], set[str], set[str]]:
    dev, test = ({normalise(query.text) for query in part.plan.queries} for part in (data.dev, data.test))
    return {normalise(one.query) for one in data.training}, dev, test


def collect(
    data: list[Example],
    *,
    dev: Path | None = None,
    test: Path | None = None,
    settings: Settings = Settings(),  # noqa: B008
    taught: bool = False,
) -> Data:
    return gather(data, dev=dev, test=test, settings=settings, taught=taught)


def test_without_held_out_files_a_part_is_kept() -> None:
    training, dev, test = queries(collect(toy.examples(2000)))
    assert len(training) == 1800
    assert len(dev) == len(test) == 100
    assert not training & dev
    assert not training & test
    assert not dev & test


def test_few_held_out_queries_serve_for_both_and_it_is_said() -> None:
    data = collect(toy.examples(100))
    _, dev, test = queries(data)
    assert dev == test
    assert len(dev) == 10
    assert "flatters a little" in data.warnings[0]
    assert data.lines()[-1] == "90 queries to train on, 10 dev queries, 10 to compare on"


def test_limits_are_kept() -> None:
    data = collect(toy.examples(1000), settings=Settings(held_out=0.5, dev_queries=60, test_queries=80))
    training, dev, test = queries(data)
    assert (len(training), len(dev), len(test)) == (860, 60, 70)


def test_one_file_is_halved_two_are_taken_as_they_are(tmp_path: Path) -> None:
    dev, test = toy.write(tmp_path / "dev.jsonl", 120, seed=1), toy.write(tmp_path / "test.jsonl", 30, seed=2)
    _, first, second = queries(collect(toy.examples(50), test=dev))
    assert len(first) == len(second) == 60
    assert not first & second
    _, first, second = queries(collect(toy.examples(50), dev=dev, test=test))
    assert (len(first), len(second)) == (120, 30)
    twice = collect(toy.examples(50), dev=dev, test=dev)
    assert "dev and test share 120 queries" in twice.warnings[0]


def test_leaks(tmp_path: Path) -> None:
    dev = toy.write(tmp_path / "dev.jsonl", 10)
    examples = toy.examples(60)
    with pytest.raises(InputError, match=r"10 \(e\.g\. .*: example 1 and dev\.jsonl, line 1"):
        collect(examples, dev=dev)
    dropped = collect(examples, dev=dev, settings=Settings(leaks="drop"))
    assert len(dropped.training) == 50
    assert not any("training data too" in line for line in dropped.warnings)
    kept = collect(examples, dev=dev, settings=Settings(leaks="keep"))
    assert len(kept.training) == 60
    assert any("held-out queries are in the training data too: 10" in line for line in kept.warnings)
    with pytest.raises(InputError, match="nothing is left to train on"):
        collect(examples[:10], dev=dev, settings=Settings(leaks="drop"))


def test_shared_answers_are_a_warning(tmp_path: Path) -> None:
    dev = toy.write(tmp_path / "dev.jsonl", 10, seed=1)
    (held, *_) = toy.examples(1, seed=1)
    data = collect([*toy.examples(50), Example("another question", held.positives, ("no answer",))], dev=dev)
    assert any("answer questions of the training data too: 1" in line for line in data.warnings)


def test_a_teachers_scores_must_be_complete() -> None:
    examples = toy.examples(60)
    scored = [replace(one, positive_scores=(1.0,), negative_scores=(0.0,) * 4) for one in examples]
    assert collect(scored, taught=True).training[0].scored
    with pytest.raises(InputError, match=r"which 1 of 60 lines lack \(example 60\)"):
        collect([*scored[:-1], examples[-1]], taught=True)

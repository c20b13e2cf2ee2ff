"""Held-out queries: whatever their format, measured as `resift eval` measures."""

import json
from pathlib import Path

import pytest

from resift.errors import InputError
from resift.training.examples import Example
from resift.training.held_out import SHUFFLED, before_and_after, from_examples, measure, read_held_out

EXAMPLES = [
    Example(f"query {i}", (f"good {i}",), tuple(f"bad {i} {j}" for j in range(4)), source=f"line {i}")
    for i in range(40)
]


def scores(plan, wrong: int) -> dict[str, list[float]]:
    """The relevant document first, but last for the first `wrong` queries."""
    texts = plan.dataset.documents
    return {
        query.id: [
            (-1.0 if place < wrong else 1.0) if texts[key].startswith("good") else 0.0
            for key in plan.candidates[query.id]
        ]
        for place, query in enumerate(plan.queries)
    }


def test_lines_become_queries_with_shuffled_candidates() -> None:
    held = from_examples([*EXAMPLES, Example("none", ("a",))], name="dev", depth=50)
    assert len(held.plan.queries) == 40
    assert held.plan.first_stage == SHUFFLED
    firsts = [held.plan.dataset.documents[found[0]] for found in held.plan.candidates.values()]
    assert {text.startswith("good") for text in firsts} == {True, False}, "the relevant one must not stand first"


def test_a_shallow_depth_keeps_what_is_relevant() -> None:
    held = from_examples(EXAMPLES, name="dev", depth=2)
    for key, found in held.plan.candidates.items():
        assert len(found) == 2
        assert sum(held.plan.dataset.qrels[key][document] for document in found) == 1


def test_only_queries_with_negatives_can_be_measured() -> None:
    with pytest.raises(InputError, match="none of its 1 queries has a negative"):
        from_examples([Example("q", ("a",))], name="dev", depth=5)


def test_folders_without_candidates_get_those_of_bm25(tmp_path: Path) -> None:
    rows = [{"id": f"d{i}", "text": f"the fruit number {word}"} for i, word in enumerate(("pear", "plum", "fig"))]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.jsonl").write_text('{"id": "q", "text": "plum"}\n')
    (tmp_path / "qrels.tsv").write_text("q\td1\t1\n")
    held = read_held_out(tmp_path, depth=2)
    assert held.plan.candidates["q"][0] == "d1"
    assert held.examples[0].positives == ("the fruit number plum",)


def test_before_and_after() -> None:
    plan = from_examples(EXAMPLES, name="dev", depth=50).plan
    assert measure(plan, scores(plan, 0)).tolist() == [1.0] * 40
    found = before_and_after(plan, scores(plan, 20), scores(plan, 5), seed=0)
    comparison = found["comparison"]
    assert found["ceiling"] == 1.0
    assert found["first"] is None
    assert found["after"] > found["before"]
    assert comparison["difference"] == pytest.approx(found["after"] - found["before"])
    assert (comparison["helped"], comparison["hurt"], comparison["unchanged"]) == (15, 0, 25)
    assert comparison["p"] < 0.001
    same = before_and_after(plan, scores(plan, 5), scores(plan, 5), seed=0)["comparison"]
    assert same["p"] == 1.0


def test_halves_and_limits() -> None:
    held = from_examples(EXAMPLES, name="dev", depth=50)
    first, second = held.halves(seed=0)
    texts = [{query.text for query in half.plan.queries} for half in (first, second)]
    assert texts[0].isdisjoint(texts[1])
    assert len(texts[0] | texts[1]) == 40
    assert len(held.limited(7, seed=0).plan.queries) == 7
    assert held.limited(100, seed=0) is held

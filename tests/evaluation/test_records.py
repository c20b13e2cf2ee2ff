import pytest

from resift.errors import InputError
from resift.evaluation import combine, make_plan, select
from tests.evaluation.sets import make_dataset

KEYS = [f"q{i}" for i in range(50)]


def part(name: str, keys: list[str] = KEYS, language: str | None = None):
    return make_dataset({k: {"d": 1} for k in keys}, {k: ["d"] for k in keys}, name=name, language=language)


def test_a_draw_is_the_same_each_time_and_smaller_ones_are_within_larger_ones() -> None:
    small, large = (set(select(part("a"), limit=n, seed=3).queries) for n in (10, 20))
    assert len(small) == 10
    assert small < large
    assert small == set(select(part("a", KEYS[::-1]), limit=10, seed=3).queries)
    assert small != set(select(part("a"), limit=10, seed=4).queries)


def test_what_is_not_drawn_is_not_taken_for_lost() -> None:
    plan = make_plan(select(part("a"), limit=10))
    assert len(plan.queries) == 10
    assert plan.left_out.unknown == []


def test_parallel_sets_draw_the_same_questions_and_become_clusters() -> None:
    parts = [select(part(name, language=name), limit=10) for name in ("zh", "en")]
    assert set(parts[0].queries) == set(parts[1].queries)
    whole = combine(parts)
    plan = make_plan(whole)
    assert plan.clusters is not None
    assert len(plan.queries) == 20
    assert len(set(plan.clusters)) == 10
    assert {query.language for query in plan.queries} == {"zh", "en"}
    assert whole.documents["zh/d"] == whole.documents["en/d"] == "text d"
    assert "10 questions stand in several datasets" in whole.notes[0]


def test_ids_that_are_alike_by_chance() -> None:
    whole = combine([part("cranfield", ["1"]), part("scifact", ["1"])], parallel_ids=False)
    assert make_plan(whole).clusters is None
    assert whole.notes == ()


def test_sets_without_a_question_in_common_have_no_clusters() -> None:
    whole = combine([part("a", ["q1"]), part("b", ["q2"])])
    assert make_plan(whole).clusters is None


def test_one_dataset_stays_itself() -> None:
    one = part("a")
    assert combine([one]) is one


def test_what_cannot_be_combined() -> None:
    with pytest.raises(InputError, match="no dataset"):
        combine([])
    with pytest.raises(InputError, match="two datasets are called a"):
        combine([part("a"), part("a")])


def test_languages() -> None:
    whole = combine([part("zh", language="zh"), part("en", language="en")])
    assert {query.language for query in select(whole, languages=["zh"]).queries.values()} == {"zh"}
    with pytest.raises(InputError, match="no query is in fr; there are: en, zh"):
        select(whole, languages=["fr"])
    with pytest.raises(InputError, match="limit is 0"):
        select(whole, limit=0)

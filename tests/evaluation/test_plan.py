import pytest

from resift.errors import InputError
from resift.evaluation import make_plan, retrieve
from resift.retrieval.bm25 import BM25
from tests.evaluation.sets import make_dataset


def test_queries_that_cannot_be_measured_are_counted_not_lost() -> None:
    data = make_dataset(
        {"good": {"a": 1}, "nothing": {"a": 0}, "unfound": {"a": 1}, "ghost": {"a": 1}},
        {"good": ["b", "a"], "nothing": ["a"], "unfound": [], "unjudged": ["a"]},
    )
    data.queries.pop("ghost")  # type: ignore[attr-defined]
    plan = make_plan(data)
    assert [query.id for query in plan.queries] == ["good", "unfound"]
    assert plan.left_out.nothing_relevant == ["nothing"]
    assert plan.left_out.nothing_found == ["unfound"]
    assert plan.left_out.unjudged == ["unjudged"]
    assert plan.left_out.unknown == ["ghost"]


@pytest.mark.parametrize(
    ("asked", "longest", "wanted"),
    [
        ([10, 20, 50, 100], 100, (10, 20, 50, 100)),
        ([10, 20, 50, 100], 30, (10, 20, 50)),
        ([100, 10, 10], 5, (10,)),
        ([2, 3], 5, (2, 3)),
    ],
)
def test_depths_that_say_the_same_are_one(asked: list[int], longest: int, wanted: tuple[int, ...]) -> None:
    data = make_dataset({"q": {"d0": 1}}, {"q": [f"d{i}" for i in range(longest)]})
    assert make_plan(data, depths=asked).depths == wanted


def test_what_cannot_be_planned() -> None:
    data = make_dataset({"q": {"a": 1}}, {"q": ["a"]})
    with pytest.raises(InputError, match=r"2 candidates are not among the 1 documents, e\.g\. 'x' of query 'q'"):
        make_plan(data, {"q": ["x", "a", "y"]})
    with pytest.raises(InputError, match="are the ids of queries, qrels and run the same"):
        make_plan(data, {"other": ["a"]})
    with pytest.raises(InputError, match="expected numbers above 0"):
        make_plan(data, depths=[0])
    bare = make_dataset({"q": {"a": 1}}, {})
    with pytest.raises(InputError, match="none of its 1 queries"):
        make_plan(bare)


def test_a_first_stage_of_ours_over_the_documents() -> None:
    data = make_dataset({"tea": {"tea": 1}}, {"tea": [], "coffee": []})
    data.documents["coffee"] = "text coffee"  # type: ignore[index]
    found = retrieve(data, BM25(list(data.documents.values())).search, depth=1)
    assert found == {"tea": ["tea"], "coffee": ["coffee"]}

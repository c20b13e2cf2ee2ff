import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.retrieval.fusion import FusedHit, Share, rrf, weighted
from resift.retrieval.protocols import Hit

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "fusion.json").read_text(encoding="utf-8"))
NORMALISATIONS = ("min-max", "max", "z-score", "rank", "borda", "none")


def ranking(names: str, *scores: float) -> list[Hit]:
    return [Hit(name, score) for name, score in zip(names, scores or range(len(names), 0, -1), strict=True)]


def ids(fused: list[FusedHit]) -> str:
    return "".join(str(hit.id) for hit in fused)


@pytest.mark.parametrize("case", GOLDEN)
@pytest.mark.parametrize(("name", "k"), [("rrf", 60), ("rrf-10", 10)])
def test_reciprocal_ranks_are_those_of_ranx(case: dict, name: str, k: int) -> None:
    fused = rrf([[Hit(*one) for one in given.items()] for given in case["lists"]], k=k)
    assert {hit.id: hit.score for hit in fused} == pytest.approx(case["fused"][name], rel=1e-9)


@pytest.mark.parametrize("case", GOLDEN)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_weighted_sums_are_those_of_ranx(case: dict, normalisation: str) -> None:
    fused = weighted(
        [[Hit(*one) for one in given.items()] for given in case["lists"]],
        weights=case["weights"],
        normalisation=normalisation,
        missing="zero" if normalisation != "borda" else None,
    )
    assert {hit.id: hit.score for hit in fused} == pytest.approx(case["fused"][normalisation], rel=1e-9, abs=1e-12)


def test_the_paper_s_formula() -> None:
    fused = rrf([ranking("ab"), ranking("bc")])
    assert [(hit.id, hit.score) for hit in fused] == [
        ("b", pytest.approx(1 / 62 + 1 / 61)), ("a", pytest.approx(1 / 61)), ("c", pytest.approx(1 / 62)),
    ]  # fmt: skip


def test_shares_say_what_each_list_gave() -> None:
    fused = weighted([ranking("ab", 4, 2), ranking("b", 0.5)], weights=[1, 3], normalisation="none")
    assert fused[0] == FusedHit("a", 4, (Share(1, 4, 4), Share(None, None, 0)))
    assert fused[1] == FusedHit("b", 3.5, (Share(2, 2, 2), Share(1, 0.5, 1.5)))


def test_equal_scores_are_in_the_order_of_the_best_place_then_of_the_lists() -> None:
    assert ids(rrf([ranking("ab"), ranking("cd")])) == "acbd"
    assert ids(rrf([ranking("cd"), ranking("ab")])) == "cadb"
    assert ids(rrf([ranking("xyz"), ranking("yzx"), ranking("zxy")])) == "xyz"  # sums in any order are equal


def test_a_list_of_weight_zero_is_left_out() -> None:
    lists = [ranking("ab"), ranking("cb")]
    assert ids(rrf(lists, weights=[1, 0])) == "ab"
    assert ids(weighted(lists, weights=[0, 1])) == "cb"
    assert rrf(lists, weights=[0, 0]) == []


def test_weights_move_documents() -> None:
    lists = [ranking("ab"), ranking("ba")]
    assert ids(rrf(lists, weights=[1, 0.9])) == "ab"
    assert ids(rrf(lists, weights=[0.9, 1])) == "ba"


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("missing", [None, "zero", "least"])
def test_empty_lists_change_nothing(normalisation: str, missing: str | None) -> None:
    options = {"normalisation": normalisation, "missing": missing}
    assert weighted([], **options) == weighted([[], []], **options) == []
    assert ids(weighted([[], ranking("abc")], **options)) == "abc"


def test_no_lists_give_no_hits() -> None:
    assert rrf([]) == rrf([[]]) == []


def test_equal_scores_are_not_as_if_nothing_were_found() -> None:
    fused = weighted([ranking("a", 7), ranking("ba", 3, 2)])
    assert [(hit.id, hit.score) for hit in fused] == [("a", 1), ("b", 1)]


def test_missing_documents_get_zero_or_the_least() -> None:
    lists = [ranking("abc", 10, 9, 5), ranking("cd", 3, 1)]
    zero = {hit.id: hit.score for hit in weighted(lists, normalisation="max", missing="zero")}
    least = {hit.id: hit.score for hit in weighted(lists, normalisation="max", missing="least")}
    assert zero == pytest.approx({"a": 1, "b": 0.9, "c": 1.5, "d": 1 / 3})
    assert least == pytest.approx({"a": 1 + 1 / 3, "b": 0.9 + 1 / 3, "c": 1.5, "d": 0.5 + 1 / 3})


def test_to_be_missing_is_not_better_than_to_be_last_by_z_score() -> None:
    lists = [ranking("abc", 3, 2, 1), ranking("xc", 2, 1)]
    scores = {hit.id: hit.shares[0].part for hit in weighted(lists, normalisation="z-score")}
    assert scores["x"] == scores["c"] < 0


def test_negative_scores_keep_their_order() -> None:
    for normalisation in NORMALISATIONS:
        assert ids(weighted([ranking("abc", -1, -2, -5)], normalisation=normalisation)) == "abc"


def test_what_cannot_be_fused_is_refused() -> None:
    lists = [ranking("ab"), ranking("cd")]
    with pytest.raises(InputError, match="list 2 has the document 'c' twice"):
        rrf([ranking("ab"), ranking("cc")])
    with pytest.raises(InputError, match="list 1 has a score that is no finite number"):
        weighted([ranking("ab", 1, float("nan"))])
    with pytest.raises(InputError, match="3 weights for 2 lists"):
        rrf(lists, weights=[1, 1, 1])
    with pytest.raises(InputError, match="expected 0 or more"):
        weighted(lists, weights=[1, -1])
    with pytest.raises(InputError, match="normalisation is 'softmax'"):
        weighted(lists, normalisation="softmax")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="missing is 'mean'"):
        weighted(lists, missing="mean")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="k is -1"):
        rrf(lists, k=-1)
    with pytest.raises(InputError, match="top_k is -1"):
        rrf(lists, top_k=-1)


@st.composite
def rankings(draw: st.DrawFn) -> list[Hit]:
    names = draw(st.lists(st.integers(0, 12), unique=True, max_size=8))
    scores = sorted(draw(st.lists(st.integers(-5, 5), min_size=len(names), max_size=len(names))), reverse=True)
    return [Hit(name, score) for name, score in zip(names, scores, strict=True)]


@given(st.lists(rankings(), max_size=4), st.sampled_from([*NORMALISATIONS, "rrf"]))
def test_fusion_of_any_lists(lists: list[list[Hit]], how: str) -> None:
    fused = rrf(lists) if how == "rrf" else weighted(lists, normalisation=how)  # type: ignore[arg-type]
    assert sorted(hit.id for hit in fused) == sorted({hit.id for hits in lists for hit in hits})
    for hit in fused:
        assert hit.score == pytest.approx(sum(share.part for share in hit.shares))
        for share, hits in zip(hit.shares, lists, strict=True):
            assert share.place == next((place for place, one in enumerate(hits, 1) if one.id == hit.id), None)
    assert all(one.score >= two.score for one, two in itertools.pairwise(fused))
    for top_k in range(len(fused) + 2):
        cut = rrf(lists, top_k=top_k) if how == "rrf" else weighted(lists, normalisation=how, top_k=top_k)  # type: ignore[arg-type]
        assert cut == fused[:top_k]

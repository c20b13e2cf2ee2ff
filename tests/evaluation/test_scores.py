from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.evaluation import make_plan, score_candidates
from resift.evaluation.scores import ScoreCache, oracle, rankings, reranked
from tests.evaluation.sets import TableScorer, make_dataset, many


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=12), st.integers(1, 12))
def test_only_the_depth_is_sorted_and_ties_keep_their_order(scores: list[float], depth: int) -> None:
    found = [f"d{i}" for i in range(len(scores))]
    order = reranked(found, scores, depth)
    assert sorted(order) == sorted(found)
    assert order[depth:] == found[depth:]
    keys = [(-scores[int(document[1:])], int(document[1:])) for document in order[:depth]]
    assert keys == sorted(keys)


def test_each_pair_is_scored_once_and_depths_share_it() -> None:
    data = make_dataset({"q": {"d": 1}}, {"q": list("abcd")})
    scorer = TableScorer({("ask q", "text d"): 2.0, ("ask q", "text b"): 1.0})
    plan = make_plan(data, depths=[1, 3, 10])
    scores = score_candidates(plan, scorer)
    assert [[pair[1][-1] for pair in call] for call in scorer.calls] == [["a"], ["b", "c"], ["d"]]
    assert rankings(plan, scores.of, 1) == {"q": list("abcd")}
    assert rankings(plan, scores.of, 3) == {"q": list("bacd")}
    assert rankings(plan, scores.of, 10) == {"q": list("dbac")}
    times = [scores.seconds[depth][0] for depth in (1, 3, 10)]
    assert times == sorted(times)
    assert times[0] >= 0


def test_the_oracle_sorts_by_grade_within_the_depth() -> None:
    data = make_dataset({"q": {"b": 1, "c": 3, "d": 2}}, {"q": list("abcd")})
    plan = make_plan(data, depths=[2, 4])
    assert oracle(plan, 2) == {"q": list("bacd")}
    assert oracle(plan, 4) == {"q": list("cdba")}


@pytest.mark.parametrize("given_", [[1.0], [1.0, float("nan")], [[1.0], [2.0]]])
def test_a_scorer_that_does_not_score(given_: object) -> None:
    class Broken:
        def score(self, pairs: object) -> object:
            return given_

    with pytest.raises(InputError, match="expected one number for each pair"):
        score_candidates(make_plan(make_dataset({"q": {"a": 1}}, {"q": ["a", "b"]})), Broken())


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    data, scorer = many(8)
    plan = make_plan(data, depths=[2, 3])
    whole = score_candidates(plan, scorer)

    class Stopping(TableScorer):
        def score(self, pairs):
            if len(self.calls) == 7:
                raise KeyboardInterrupt
            return super().score(pairs)

    stopping = Stopping(scorer.table)
    with pytest.raises(KeyboardInterrupt), ScoreCache(tmp_path, "model", 1) as cache:
        score_candidates(plan, stopping, cache=cache)
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-20])  # the machine went down while the last line was written
    rest = TableScorer(scorer.table)
    with ScoreCache(tmp_path, "model", 1) as cache:
        resumed = score_candidates(plan, rest, cache=cache)
    assert len(rest.calls) == len(scorer.calls) - 6
    assert resumed.of == whole.of
    assert resumed.reused == 9
    again = TableScorer()
    with ScoreCache(tmp_path, "model", 1) as cache:
        third = score_candidates(plan, again, cache=cache)
    assert again.calls == []
    assert third.of == whole.of
    assert not np.isnan(third.seconds[3]).any()


def test_kept_scores_belong_to_one_model_and_one_text(tmp_path: Path) -> None:
    data, scorer = many(3)
    plan = make_plan(data)
    with ScoreCache(tmp_path, "model", {"precision": "fp32"}) as cache:
        score_candidates(plan, scorer, cache=cache)
    other = TableScorer(scorer.table)
    with ScoreCache(tmp_path, "model", {"precision": "int8"}) as cache:
        score_candidates(plan, other, cache=cache)
    assert len(other.calls) == 3
    data.documents["q1a"] = "changed"  # type: ignore[index]
    changed = TableScorer(scorer.table)
    with ScoreCache(tmp_path, "model", {"precision": "fp32"}) as cache:
        score_candidates(plan, changed, cache=cache)
    assert len(changed.calls) == 1


def test_kept_scores_of_other_depths_have_no_time(tmp_path: Path) -> None:
    data, scorer = many(3)
    with ScoreCache(tmp_path, "model", 1) as cache:
        score_candidates(make_plan(data, depths=[3]), scorer, cache=cache)
    again = TableScorer()
    with ScoreCache(tmp_path, "model", 1) as cache:
        scores = score_candidates(make_plan(data, depths=[1, 3]), again, cache=cache)
    assert again.calls == []
    assert np.isnan(scores.seconds[1]).all()

"""Metrics against pytrec_eval itself, on random runs with ties; and against the formulas where it has none."""

import numpy as np
import pytest
import pytrec_eval

from resift.errors import InputError, MissingExtra
from resift.evaluation.measures import Meter
from resift.evaluation.trec import order

THEIRS = {
    "nDCG@10": "ndcg_cut_10", "nDCG": "ndcg", "AP": "map", "RR": "recip_rank", "P@5": "P_5", "R@20": "recall_20",
    "Success@1": "success_1", "Rprec": "Rprec",
}  # fmt: skip
TOLERANCE = 1e-6


def random_case(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Return judgements and scores of few levels, so that most are tied; documents unjudged, unfound, absent."""
    random = np.random.default_rng(seed)
    qrels, scored = {}, {}
    for number in range(20):
        documents = [f"d{i}" for i in random.permutation(60)]
        grades = {document: int(random.integers(0, 4)) for document in documents[:30]}
        qrels[f"q{number}"] = {**grades, "never found": 1}
        found = documents[20 : 20 + int(random.integers(1, 40))]
        scored[f"q{number}"] = {document: float(random.integers(0, 4)) for document in found}
    return qrels, scored


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", ["index", "docid"])
def test_equal_to_pytrec_eval_on_runs_with_ties(seed: int, ties: str) -> None:
    qrels, scored = random_case(seed)
    queries = list(qrels)
    run = {query: order(found, ties=ties) for query, found in scored.items()}  # type: ignore[arg-type]
    ours = Meter(list(THEIRS), qrels).measure(run, queries)
    if ties == "docid":  # trec_eval's own rule: the scores as they are
        given = scored
    else:  # ours: scores that say our order
        given = {query: {document: -float(i) for i, document in enumerate(found)} for query, found in run.items()}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, set(THEIRS.values())).evaluate(given)
    for name, their in THEIRS.items():
        wanted = [theirs[query][their] for query in queries]
        assert ours[name] == pytest.approx(wanted, abs=TOLERANCE), name


def test_the_two_rules_differ_on_these_runs() -> None:
    qrels, scored = random_case(0)
    both = [
        Meter(["AP"], qrels).measure({query: order(found, ties=ties) for query, found in scored.items()}, list(qrels))
        for ties in ("index", "docid")
    ]
    assert not np.allclose(both[0]["AP"], both[1]["AP"])


def test_reciprocal_rank_with_a_cutoff() -> None:
    run = {"q": [f"d{i}" for i in range(20)]}
    for place, wanted in ((0, 1.0), (9, 0.1), (10, 0.0)):
        assert Meter(["RR@10"], {"q": {f"d{place}": 1}}).measure(run, ["q"])["RR@10"] == pytest.approx([wanted])


def test_exponential_gains_are_the_formula() -> None:
    qrels = {"q": {"a": 3, "b": 0, "c": 1, "d": 2}}
    run = ["b", "c", "a"]
    values = Meter(["nDCG(dcg='exp-log2')@2", "nDCG@2"], qrels).measure({"q": run}, ["q"])
    discounts = 1 / np.log2([2, 3])
    assert values["nDCG(dcg='exp-log2')@2"] == pytest.approx([(discounts @ [0, 1]) / (discounts @ [7, 3])])
    assert values["nDCG@2"] == pytest.approx([(discounts @ [0, 1]) / (discounts @ [3, 2])])


def test_gains_of_one_metric_do_not_reach_another() -> None:
    """In ir_measures 0.4 they do, for some orders of its set of metrics: hence many of them."""
    qrels = {"q": {"a": 3, "b": 0, "c": 1, "d": 2}}
    for depth in range(2, 12):
        pair = [f"nDCG(dcg='exp-log2')@{depth}", f"nDCG@{depth}"]
        together = Meter(pair, qrels).measure({"q": ["b", "c", "a"]}, ["q"])
        for name in pair:
            assert together[name] == Meter([name], qrels).measure({"q": ["b", "c", "a"]}, ["q"])[name]
        assert together[pair[0]] != together[pair[1]]


def test_a_query_without_documents_is_zero_and_the_order_of_queries_is_kept() -> None:
    meter = Meter(["P@1"], {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}})
    assert meter.measure({"c": ["x"], "a": ["x"], "b": []}, ["a", "b", "c"])["P@1"].tolist() == [1.0, 0.0, 1.0]
    assert meter.measure({}, ["a"])["P@1"].tolist() == [0.0]


def test_names_are_those_of_ir_measures() -> None:
    meter = Meter(["MRR@10", "RR@10", "MAP", "NDCG@10"], {"q": {"d": 1}})
    assert meter.names == ["RR@10", "AP", "nDCG@10"]


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG@ten", "", "P", "P@5; import os", "nDCG(dcg='x')@10", "ERR@20"])
def test_what_is_no_metric(name: str) -> None:
    with pytest.raises(InputError):
        Meter([name], {"q": {"d": 1}})


def test_no_metric() -> None:
    with pytest.raises(InputError, match="no metric"):
        Meter([], {"q": {"d": 1}})


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'resift\[eval\]'"):
        Meter(["P@1"], {"q": {"d": 1}})

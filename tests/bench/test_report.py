import json
from dataclasses import replace
from pathlib import Path

import pytest

from resift.bench.harness import Measured, Plan, Result, Turn
from resift.bench.operations import operations
from resift.bench.report import Report, agreement, make_report
from resift.bench.tables import as_markdown, as_text, markdown, workload_table
from resift.bench.workload import Workload
from resift.types import ModelSpec

SPEC = ModelSpec(
    family="xlm-roberta", layers=2, hidden=8, heads=2, ffn=32, vocab=100, positions=66, position_offset=2, types=1,
    norm_eps=1e-5, activation="gelu", cls_id=0, sep_id=2, separators=2, document_type=0,
)  # fmt: skip
WORKLOAD = Workload("given", [("a", "b"), ("a", "c"), ("a", "d")], [4, 5, 6])


def make(*, peers: bool = True) -> Report:
    ours = Result(
        kernel="avx2", load_seconds=[0.5, 0.1], resident_mb=10.4, peak_mb=20.6, machine_peak=1e9,
        turns={"given": [Turn([0.1] * 5, 0.0, 0.0), Turn([0.2], 0.0, 0.0)]}, scores={"given": [1.0, 2.0, 3.0]},
    )  # fmt: skip
    theirs = replace(
        ours, machine_peak=None, kernel=None, scores={"given": [1.0, 3.0, 2.5]},
        turns={"given": [Turn([0.3], 0.0, 0.0), Turn([0.4], 0.0, 0.0)]},
    )  # fmt: skip
    results = {"resift-fp32": ours}
    if peers:
        results |= {"transformers-sdpa": theirs, "onnxruntime": Result("not installed", "no onnxruntime")}
    plan = Plan(folder=Path(), peers=list(results), workloads=[WORKLOAD], threads=2, rounds=2)
    facts = {"model": "a model", "environment": {"processor": "a processor"}}
    return make_report(plan, Measured(results, tokenising={"given": 0.01}), SPEC, facts=facts, keep=True)


def test_figures() -> None:
    report = make()
    rows = report["workloads"]["given"]["peers"]
    ours, theirs = rows["resift-fp32"], rows["transformers-sdpa"]
    assert ours["pairs_per_second"] == 30.0 and ours["tokens_per_second"] == 150.0
    assert ours["milliseconds_p50"] == 100.0 and ours["milliseconds_p99"] == 195.0
    assert ours["precision"] == "fp32" and ours["kernel"] == "avx2"
    assert ours["share_of_tokenising"] == 0.1 and theirs["share_of_tokenising"] is None
    assert theirs["resift_is_faster_by"] == {"resift-fp32": 2.5}
    assert report["workloads"]["given"]["scores_compared_with"] == "transformers-sdpa"
    assert ours["spearman"] == 0.5 and ours["max_difference"] == 1.0
    assert report["peers"]["resift-fp32"]["load_seconds"] == 0.3
    assert report["peers"]["resift-fp32"]["resident_mb"] == 10
    assert report["noise"]["clean"] is True


def test_the_share_of_the_peak_is_of_the_same_precision() -> None:
    report = make()
    work = operations(SPEC, WORKLOAD.tokens)
    rows = report["workloads"]["given"]["peers"]
    assert report["peak_operations_per_second"] == {"fp32": 1e9}
    assert rows["resift-fp32"]["share_of_peak"] == pytest.approx(work / 0.1 / 1e9, rel=0.01)
    assert rows["transformers-sdpa"]["share_of_peak"] == pytest.approx(work / 0.35 / 1e9, rel=0.01)


def test_operations_of_one_layer_and_of_two() -> None:
    """By hand: 3 tokens, 8 wide, 32 in between."""
    head = 2 * 8 * 8
    last = 3 * 2 * (2 * 8 * 8) + 3 * 4 * 8 + 2 * (2 * 8 * 8 + 2 * 8 * 32)
    assert operations(replace(SPEC, layers=1), [3]) == last + head
    full = 3 * 2 * (4 * 8 * 8 + 2 * 8 * 32) + 4 * 3 * 3 * 8
    assert operations(SPEC, [3]) == full + last + head
    assert operations(SPEC, [3, 5]) == operations(SPEC, [3]) + operations(SPEC, [5])


def test_agreement() -> None:
    assert agreement([1, 2, 3], [1.0, 2.5, 4.0]) == {"spearman": 1.0, "max_difference": 1.0}
    assert agreement([3, 2, 1], [1.0, 2.0, 3.0])["spearman"] == -1.0
    assert agreement([1], None) == {"spearman": None, "max_difference": None}
    assert agreement([1], [2.0]) == {"spearman": None, "max_difference": 1.0}


def test_tables_say_all() -> None:
    text = as_text(make())
    assert "a model" in text and "3x as fast" not in text and "2.5x as fast" in text
    assert "not installed: no onnxruntime" in text
    assert text.endswith("clean: yes")


def test_alone_there_is_nothing_to_compare_with() -> None:
    assert "as fast" not in as_text(make(peers=False))


def test_markdown_has_as_many_cells_in_every_row() -> None:
    table = workload_table(make(), "given")
    lines = markdown(table).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| resift-fp32 | fp32 | 30 | 150 | 100 |")
    assert "**given: 3 pairs, 15 tokens**" in as_markdown(make())


def test_a_saved_report_gives_the_same_tables() -> None:
    assert as_text(json.loads(json.dumps(make()))) == as_text(make())

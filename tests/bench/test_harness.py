from dataclasses import replace
from pathlib import Path

import pytest

from resift.bench.harness import Plan, Result, Turn, cleanliness, measure, ratio, stays_loaded
from resift.bench.process import PeerError
from resift.bench.workload import Workload, given_workload
from tests.checkpoints import make_checkpoint
from tests.vocabularies import unigram

PAIRS = [("egg", "boil it"), ("egg", "a hen"), ("tea", "boil water")]


def results(*turns: Turn) -> dict[str, Result]:
    return {"a": Result(turns={"rag": list(turns)})}


@pytest.fixture(scope="module")
def plan(checkpoint: Path) -> Plan:
    return Plan(
        folder=checkpoint, peers=["resift-fp32"], workloads=[workload()], threads=1, max_length=64, rounds=2, seconds=0
    )


def workload() -> Workload:
    return given_workload("given", PAIRS, unigram(400), max_length=64)


@pytest.mark.parametrize(
    ("turns", "clean", "told"),
    [
        ([Turn([1.0], 0.01, 0.0)], True, ""),
        ([Turn([1.0], 0.05, 0.0)], False, "other processes took 5.0%"),
        ([Turn([1.0], 0.0, 0.02)], False, "the host took 2.0%"),
        ([Turn([9.0], 0.0, 0.0), Turn([1.0], 0.1, 0.0)], True, ""),
        ([Turn([1.0], None, None)], False, "does not say"),
        ([], False, "does not say"),
    ],
)
def test_a_run_is_clean_when_others_left_the_cores_alone(turns: list[Turn], clean: bool, told: str) -> None:
    verdict = cleanliness(results(*turns))
    assert verdict["clean"] is clean
    assert told in str(verdict["reason"])


def test_the_ratio_pairs_rounds() -> None:
    ours = [Turn([1.0, 1.0, 9.0], 0, 0), Turn([2.0], 0, 0), Turn([4.0], 0, 0)]
    theirs = [Turn([3.0], 0, 0), Turn([6.0], 0, 0)]
    assert ratio(ours, theirs) == 3.0  # the third round, where only one took part, does not count
    assert ratio(ours, []) is None


@pytest.mark.parametrize("keep", [True, False])
def test_every_round_gives_a_turn(plan: Plan, keep: bool) -> None:
    told: list[str] = []
    measured = measure(replace(plan, tell=told.append), keep=keep)
    result = measured.results["resift-fp32"]
    assert result.status == "ok", result.message
    assert [len(turn.seconds) for turn in result.turns["given"]] == [1, 1]
    assert len(result.load_seconds) == (1 if keep else 2)
    assert len(set(result.scores["given"])) == len(PAIRS)
    assert 0 < result.resident_mb <= result.peak_mb
    assert result.kernel is not None
    assert result.machine_peak is not None and result.machine_peak > 1e6
    assert measured.tokenising["given"] > 0
    assert told[-1] == "round 2 of 2: resift-fp32"


def test_a_reference_scores_unmeasured(plan: Plan, tmp_path: Path) -> None:
    """It may be of another folder: here of other weights."""
    other = make_checkpoint(tmp_path / "other", seed=1)
    changed = replace(plan, peers=[], reference="resift-fp32", folders={"resift-fp32": other})
    measured = measure(changed, keep=True)
    own = measure(plan, keep=True).results["resift-fp32"].scores["given"]
    assert len(measured.reference["given"]) == len(PAIRS)
    assert measured.reference["given"] != own
    assert measured.results == {} and measured.tokenising == {}


def test_a_reference_that_cannot_run_is_told(plan: Plan, tmp_path: Path) -> None:
    told: list[str] = []
    broken = replace(plan, peers=[], reference="resift-fp32", folders={"resift-fp32": tmp_path}, tell=told.append)
    assert measure(broken, keep=True).reference == {}
    assert any("no scores to compare with" in line for line in told)


def test_a_peer_that_fails_says_why(plan: Plan, tmp_path: Path) -> None:
    broken = replace(plan, folder=tmp_path / "nowhere")
    with broken.start("resift-fp32") as process, pytest.raises(PeerError, match="ModelNotFound"):
        process.ask(do="load")


def test_a_peer_that_cannot_be_held_is_not_compared(plan: Plan) -> None:
    held = replace(plan, peers=["onnxruntime", "openvino", "transformers-bf16"], workloads=[], level="avx2")
    found = measure(held, keep=True).results
    assert {result.status for result in found.values()} == {"not comparable"}
    assert "looks at the processor" in found["onnxruntime"].message.replace("look at", "looks at")
    assert found["transformers-bf16"].message == "avx2 has no instructions for bf16"


def test_the_level_reaches_our_kernel(plan: Plan) -> None:
    from resift import _native

    if "avx2" not in _native.available_kernels():
        pytest.skip("this processor has no AVX2")
    held = measure(replace(plan, level="avx2"), keep=True).results["resift-fp32"]
    assert held.kernel == "avx2"


def test_large_models_are_loaded_again_for_each_round(plan: Plan, tmp_path: Path) -> None:
    assert stays_loaded(plan)
    (tmp_path / "model.safetensors").touch()
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(2**43)  # 8 TiB that take no room
    assert not stays_loaded(replace(plan, folder=tmp_path))

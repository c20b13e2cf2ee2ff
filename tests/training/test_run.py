"""Training from files to a folder, on tiny networks: it helps where it can, and says where it does not."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift import Reranker
from resift.errors import InputError, TrainingFailed
from resift.loading.source import EMBEDDED_FOLDER
from resift.training import Settings, describe, train
from tests.checkpoints import make_checkpoint
from tests.training import toy

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("one_torch_thread")]
pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

QUICK = Settings(epochs=3, learning_rate=2e-3, evaluations=3, held_out=0.25, patience=None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "bert", layers=1)


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("trained")
    told = []
    report = train(toy.write(root / "data.jsonl", 400), root / "out", model=model, settings=QUICK, tell=told.append)
    assert report is not None
    assert {one.what for one in told} == {"training", "measuring before", "measuring after"}
    assert told[-101].ndcg is not None
    assert told[-1].done == told[-1].total == 50
    return root / "out", report


def test_the_task_is_learned(trained: tuple[Path, dict[str, Any]]) -> None:
    held = trained[1]["held_out"]
    assert held["before"] < 0.7
    assert held["after"] > 0.9
    assert held["comparison"]["p"] < 0.001
    assert "training helped on" in describe(trained[1])[-1]


def test_the_folder_is_a_model_with_its_report(trained: tuple[Path, dict[str, Any]], model: Path) -> None:
    folder, report = trained
    assert json.loads((folder / "training.json").read_text()) == report
    card = (folder / "README.md").read_text()
    assert f"| this model | {report['held_out']['after']:.4f} |" in card
    assert not folder.with_name("out.training").exists()
    steps = [json.loads(line) for line in (folder / "training.log.jsonl").read_text().splitlines()]
    assert steps[0]["step"] == 0
    assert {"loss", "learning_rate", "grad_norm"} <= set(steps[1])
    query, documents = "how to rank", ["city price title river green 3", "city price title river 3"]
    with Reranker(folder) as after, Reranker(model) as before:
        assert after.rank(query, documents)[0].index == 0
        assert not np.allclose(after.score([(query, documents[0])]), before.score([(query, documents[0])]))


def test_the_folder_can_be_quantised(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from resift.quantize import Options, Tolerance, quantize

    quantize(trained[0], tmp_path / "int8", options=Options(tolerance=Tolerance(-1, 0, None, 1)))
    with Reranker(tmp_path / "int8") as reranker:
        assert np.isfinite(reranker.score([("a", "b")])).all()


def test_labels_without_a_sense_do_not_help(model: Path, tmp_path: Path) -> None:
    """The control of the test above: the same code, on labels that nothing explains."""
    draw = random.Random(1)
    data = toy.examples(200, labels=lambda documents: draw.randrange(len(documents)))
    report = train(data, tmp_path / "out", model=model, settings=replace(QUICK, epochs=1))
    assert report is not None
    assert report["held_out"]["after"] < 0.75


def test_what_is_there_is_not_overwritten(trained: tuple[Path, dict[str, Any]], model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        train(toy.examples(50), trained[0], model=model)
    (tmp_path / "new.training").mkdir()
    with pytest.raises(InputError, match="unfinished training"):
        train(toy.examples(50), tmp_path / "new", model=model)
    with pytest.raises(InputError, match="there is no unfinished training"):
        train(toy.examples(50), tmp_path / "other", model=model, resume=True)


class _Stop(Exception):
    """Stands for a crash."""


def test_a_run_that_goes_on_is_the_uninterrupted_one(model: Path, tmp_path: Path) -> None:
    data = toy.write(tmp_path / "data.jsonl", 120)
    settings = replace(QUICK, epochs=2, batch_size=8, accumulate=2, lora=None)
    assert train(data, tmp_path / "whole", model=model, settings=settings) is not None

    def crash(progress: Any) -> None:
        if progress.what == "training" and progress.done == 7:
            raise _Stop

    with pytest.raises(_Stop):
        train(data, tmp_path / "broken", model=model, settings=settings, tell=crash)
    left = sorted(one.name for one in (tmp_path / "broken.training" / "checkpoints").glob("checkpoint-*"))
    assert left == ["checkpoint-4"], "it must go on from the middle for this test to mean anything"
    with pytest.raises(InputError, match=r"begun with other values of: .*seed"):
        train(data, tmp_path / "broken", model=model, settings=replace(settings, seed=1), resume=True)
    steps = []
    report = train(
        data,
        tmp_path / "broken",
        model=model,
        settings=settings,
        resume=True,
        tell=lambda p: steps.append(p.done),
    )
    assert report is not None
    assert steps[0] == 5
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def test_leaking_queries_are_refused_named_or_dropped(model: Path, tmp_path: Path) -> None:
    data = toy.examples(60)
    dev = toy.write(tmp_path / "dev.jsonl", 10)  # the first ten of the data
    with pytest.raises(InputError, match=r"held-out queries are in the training data too: 10 .*dev\.jsonl, line 1"):
        train(data, tmp_path / "out", model=model, dev=dev)
    assert not (tmp_path / "out.training").exists()
    quick = replace(QUICK, max_steps=1, evaluations=1)
    dropped = train(data, tmp_path / "dropped", model=model, dev=dev, settings=replace(quick, leaks="drop"))
    kept = train(data, tmp_path / "kept", model=model, dev=dev, settings=replace(quick, leaks="keep"))
    assert dropped is not None
    assert kept is not None
    assert (dropped["data"]["queries"], kept["data"]["queries"]) == (50, 60)
    assert any("held-out queries are in the training data" in line for line in kept["warnings"])
    assert not any("held-out queries are in the training data" in line for line in dropped["warnings"])


def test_a_rate_that_ruins_the_model_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"diverge|collapsed"):
        train(toy.examples(400), tmp_path / "out", model=model, settings=replace(QUICK, learning_rate=30.0, epochs=5))
    assert not (tmp_path / "out").exists()


def test_damaged_weights_are_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from resift.training import losses

    monkeypatch.setitem(losses.LOSSES, "listwise", lambda scores, *_: (scores * float("nan")).sum())
    with pytest.raises(TrainingFailed, match="step 1: the loss is nan"):
        train(toy.examples(60), tmp_path / "out", model=model, settings=QUICK)


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
def test_the_embedded_model_learns_and_scores_in_resift_as_in_torch(tmp_path: Path) -> None:
    """Match features are its token types, its prior is added: the run itself compares torch and resift at its end."""
    settings = replace(QUICK, epochs=2, learning_rate=4e-3, max_length=64)
    report = train(toy.examples(240), tmp_path / "out", settings=settings)
    assert report is not None
    assert report["held_out"]["after"] > report["held_out"]["before"] + 0.03
    assert report["held_out"]["comparison"]["p"] < 0.01
    assert report["training"]["prior_scale"] != 1.0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["resift"] == json.loads((EMBEDDED_FOLDER / "config.json").read_text())["resift"]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # asked for by peft
def test_lora_and_teachers(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    model = make_checkpoint(tmp_path / "model", "xlm-roberta", layers=1)
    with pytest.raises(InputError, match="needs a teacher's scores, which 60 of 60 lines lack"):
        train(toy.examples(60), tmp_path / "out", model=model, settings=replace(QUICK, loss="kl"))
    taught = [
        replace(one, positive_scores=(5.0,), negative_scores=(-5.0,) * len(one.negatives)) for one in toy.examples(200)
    ]
    settings = replace(
        QUICK, loss="kl+0.5*margin_mse", lora=8, learning_rate=1e-2, precision="bf16", checkpoint_activations=True
    )
    report = train(taught, tmp_path / "out", model=model, settings=settings)
    assert report is not None
    assert report["chosen"]["precision"] == "bf16"
    assert report["held_out"]["after"] > report["held_out"]["before"]


def test_a_quantised_model_is_refused(model: Path, tmp_path: Path) -> None:
    from resift.quantize import Options, Tolerance, quantize

    quantize(model, tmp_path / "int8", options=Options(tolerance=Tolerance(-1, 0, None, 1)))
    with pytest.raises(InputError, match="is quantised: it cannot be trained"):
        train(toy.examples(10), tmp_path / "out", model=tmp_path / "int8")


def test_nothing_to_learn_from(model: Path, tmp_path: Path) -> None:
    bare = [replace(one, negatives=()) for one in toy.examples(5)]
    with pytest.raises(InputError, match=r"nothing to learn from: lines left out, no negative document"):
        train(bare, tmp_path / "out", model=model)
    with pytest.raises(InputError, match="too few to hold some out"):
        train(toy.examples(3), tmp_path / "out", model=model)

"""Calibrated scores of a tiny model, end to end: fitted, saved, loaded, used, refused."""

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from resift.calibration import Calibration, calibrate
from resift.errors import InputError, ResiftWarning
from resift.reranker import Reranker
from resift.scoring import sigmoid
from resift.types import Windows
from tests.calibration.searches import pairs_of
from tests.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its calibration beside it, with the groups `a` and `b`."""
    copy = tmp_path_factory.mktemp("calibrated") / "model"
    shutil.copytree(checkpoint, copy)
    with Reranker(copy, scores="sigmoid") as reranker:
        pairs, labels = pairs_of(reranker, queries=120)
        groups = ["a" if i < len(pairs) // 2 else "b" for i in range(len(pairs))]
        calibrate(reranker, pairs, labels, groups=groups).calibration.save(copy / "calibration.json")
    return copy


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Iterator[Reranker]:
    with Reranker(folder, calibration="auto") as loaded:
        yield loaded


PAIRS = [("tea", text) for text in ("steam kettle", "leaf plant air", "museum", "", "boil water egg hen " * 9)]


def test_it_is_fitted_to_raw_scores(folder: Path, reranker: Reranker) -> None:
    pairs, labels = pairs_of(reranker, queries=120)
    raw = calibrate(reranker, pairs, labels).calibration
    assert raw.shared == Calibration.load(folder / "calibration.json").shared


def test_scores_are_the_curve_of_raw_scores(folder: Path, reranker: Reranker) -> None:
    calibration = Calibration.load(folder / "calibration.json")
    raw = reranker.score(PAIRS)
    for group in (None, "a", "b", "shared"):
        view = reranker.with_options(scores="calibrated", group=group)
        assert view.score(PAIRS).tolist() == calibration.apply(raw, group=group).tolist()
    found = reranker.with_options(scores="calibrated").score(PAIRS)
    assert ((found > 0) & (found < 1)).all()
    named = Reranker(folder, scores="calibrated", calibration=folder / "calibration.json")
    with named:
        assert named.score(PAIRS).tolist() == found.tolist()
    held = Reranker(folder, scores="calibrated", calibration=calibration)
    with held:
        assert held.score(PAIRS).tolist() == found.tolist()


def test_the_order_is_that_of_raw_scores_even_among_ties(reranker: Reranker, folder: Path, tmp_path: Path) -> None:
    data = json.loads((folder / "calibration.json").read_text())
    data["shared"]["curve"] = {"scores": [-100.0, 100.0], "probabilities": [0.5, 0.5]}
    (tmp_path / "flat.json").write_text(json.dumps(data))
    flat = reranker.with_options(scores="calibrated", calibration=tmp_path / "flat.json")
    texts = [text for _, text in PAIRS]
    ranked = flat.rank("tea", texts)
    assert {one.score for one in ranked} == {0.5}
    assert [one.index for one in ranked] == [one.index for one in reranker.rank("tea", texts)]


def test_info_names_the_calibration(reranker: Reranker) -> None:
    assert reranker.info.calibration is None
    shared = reranker.with_options(scores="calibrated").info
    group = reranker.with_options(scores="calibrated", group="a").info
    assert shared.scores == "calibrated" and shared.calibration is not None
    assert shared.calibration.startswith("platt:")
    assert group.calibration == f"{shared.calibration}/a"
    assert reranker.with_options(scores="calibrated", group="a").with_options(scores="raw").info == reranker.info


def test_windows_have_calibrated_scores_too(reranker: Reranker) -> None:
    with pytest.warns(ResiftWarning, match=r"windows None and not \{'size': 20"):
        view = reranker.with_options(scores="calibrated", windows=Windows(size=20, overlap=5))
    [one] = view.score_details(PAIRS[-1:])
    assert one.window is not None and one.window.score == one.score


def test_thresholds_on_every_scale(reranker: Reranker, folder: Path) -> None:
    calibration = Calibration.load(folder / "calibration.json")
    raw = reranker.threshold(keep=0.9)
    assert raw == calibration.cutoff(0.9)
    assert reranker.with_options(scores="sigmoid").threshold(keep=0.9) == float(np.float32(sigmoid(raw)))
    view = reranker.with_options(scores="calibrated", group="a")
    assert view.threshold(keep=0.9) == float(calibration.apply(calibration.cutoff(0.9, group="a"), group="a"))
    # Whatever scale is asked for, the same documents pass.
    pairs, labels = pairs_of(reranker, queries=120)
    passed = [
        one.score(pairs) >= one.threshold(keep=0.9)
        for one in (reranker.with_options(scores=scores) for scores in ("raw", "sigmoid", "calibrated"))  # type: ignore[arg-type]
    ]
    assert (passed[0] == passed[1]).all() and (passed[0] == passed[2]).all()
    assert passed[0][np.array(labels) == 1].mean() >= 0.85
    half = reranker.threshold(probability=0.5)
    assert reranker.with_options(scores="calibrated").threshold(probability=0.5) == 0.5
    assert calibration.apply(half) == pytest.approx(0.5)
    for wrong in ({}, {"keep": 0.9, "probability": 0.5}, {"probability": 1.5}, {"keep": 90}):
        with pytest.raises(InputError):
            reranker.threshold(**wrong)


def test_without_a_calibration_there_are_no_calibrated_scores(checkpoint: Path) -> None:
    for given in (None, "auto"):
        with pytest.raises(InputError, match=r"there is no calibration.*resift calibrate"):
            Reranker(checkpoint, scores="calibrated", calibration=given)
    with Reranker(checkpoint, calibration="auto") as plain, pytest.raises(InputError, match="there is no calibration"):
        plain.threshold(keep=0.9)
    with pytest.raises(InputError, match=r"not-there\.json: No such file"):
        Reranker(checkpoint, calibration="not-there.json")


def test_another_model_is_refused(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match=r"fitted for the model .* and this is .*other"):
        Reranker(other, scores="calibrated", calibration=folder / "calibration.json")
    loaded = Reranker(other, calibration=folder / "calibration.json")
    with loaded, pytest.raises(InputError, match="fitted for the model"):
        loaded.threshold(keep=0.9)
    # The same files elsewhere are the same model.
    with Reranker(checkpoint, scores="calibrated", calibration=folder / "calibration.json") as moved:
        assert moved.info.calibration is not None


def test_another_policy_is_warned_of(reranker: Reranker) -> None:
    with pytest.warns(ResiftWarning, match="truncation 'flag' and not 'longest_first'"):
        reranker.with_options(scores="calibrated", truncation="longest_first")
    with pytest.warns(ResiftWarning, match="max_length 128 and not 64; query_max_length 96 and not 48"):
        reranker.with_options(scores="calibrated", max_length=64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reranker.with_options(max_length=64).with_options(max_length=128, scores="calibrated")


def test_explanations_are_not_calibrated(reranker: Reranker) -> None:
    with pytest.raises(InputError, match="raw scores or sigmoids"):
        reranker.with_options(scores="calibrated").explain("tea", "steam. kettle.")

"""A model becomes a folder that scores like it, or nothing is written."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resift import Reranker
from resift.errors import DeviceError, InputError, VerificationFailed
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import EMBEDDED_FOLDER, locate
from resift.quantize import JudgedPair, Options, Tolerance, quantize
from resift.quantize.linears import int8_tensors, matrix
from resift.quantize.texts import built_in_pairs
from resift.quantize.verify import compare
from tests.quantize.models import make_model

PAIRS = [(pair.query, pair.document) for pair in built_in_pairs()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("plain") / "model")


@pytest.fixture(scope="module")
def outliers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("outliers") / "model", gain=60)


def scores(folder: Path, **options: str) -> np.ndarray:
    with Reranker(folder, **options) as reranker:
        return np.array([one.score for one in reranker.score_details(PAIRS)], dtype=np.float32)


def overlap(full: np.ndarray, other: np.ndarray) -> float:
    found = compare(built_in_pairs(), full, other).overlap
    assert found is not None
    return found


def test_the_folder_scores_like_the_model(plain: Path, tmp_path: Path) -> None:
    report = quantize(plain, tmp_path / "int8")
    full, quantised = scores(plain), scores(tmp_path / "int8")
    assert report.passed
    assert report.comparison.largest_change == pytest.approx(np.abs(full - quantised).max())
    assert 0 < report.comparison.largest_change < 0.3 * full.std()
    assert report.comparison == compare(built_in_pairs(), full, quantised)
    with Reranker(tmp_path / "int8") as reranker:
        assert reranker.info.precision == "int8"


def test_native_and_reference_read_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIFT_CPU_KERNEL", "portable")  # the fastest ones compute attention in bfloat16
    # One layer: sums in another order move some values to the next integer, and each layer makes more of that.
    model = make_model(tmp_path / "model", layers=1)
    quantize(model, tmp_path / "int8", pairs=built_in_pairs()[::10])
    few = PAIRS[::20]
    with Reranker(tmp_path / "int8") as native, Reranker(tmp_path / "int8", backend="reference") as reference:
        assert reference.info.precision == "int8"
        np.testing.assert_allclose(native.score(few), reference.score(few), rtol=0, atol=0.01)


def test_outlier_channels_keep_the_ranking(outliers: Path, tmp_path: Path) -> None:
    report = quantize(outliers, tmp_path / "int8")
    assert report.passed
    assert report.precision == "int8"
    assert overlap(scores(outliers), scores(tmp_path / "int8")) >= 0.95
    stored = load_checkpoint(locate(tmp_path / "int8")).tensors
    assert any(name.endswith((".smooth", ".shift")) for name in stored)


def test_plain_rounding_would_lose_outlier_channels(outliers: Path) -> None:
    """What the shifts and the smoothing are for: without them the same weights lose far more."""
    from resift.engine.backends.reference import linear

    checkpoint = load_checkpoint(locate(outliers))
    name = "layers.1.attention.query"
    weights, bias = matrix(checkpoint.tensors, name)
    rng = np.random.default_rng(0)
    x = (1 + 0.2 * rng.standard_normal((50, 128))).astype(np.float32)
    x[:, [3, 17, 41]] *= 60
    exact = x @ weights.T + bias
    errors = []
    for shift in (None, x.mean(axis=0)):
        tensors = {f"x.{k}": v for k, v in int8_tensors(weights, bias, smooth=None, shift=shift).items()}
        errors.append(np.linalg.norm(linear(tensors, "x", x) - exact))
    assert errors[1] < errors[0] / 2


def test_what_loses_too_much_is_kept_in_bf16(plain: Path, tmp_path: Path) -> None:
    first = quantize(plain, tmp_path / "any").comparison
    allowed = first.largest_change * 0.7
    report = quantize(plain, tmp_path / "int8", options=Options(tolerance=Tolerance(change=allowed)))
    assert report.passed
    assert report.comparison.largest_change <= allowed
    assert report.attempts[0].failures
    worst = [linear.name for linear in report.worst_linears]
    assert report.kept_in_bf16
    assert set(worst[: len(report.kept_in_bf16)]) <= set(report.kept_in_bf16)
    stored = load_checkpoint(locate(tmp_path / "int8")).tensors
    assert {f"{name}.weight_bf16" for name in report.kept_in_bf16} == {
        name for name in stored if name.endswith(".weight_bf16")
    }


@pytest.mark.parametrize("languages", [None, ["en", "zh"]])
def test_a_table_that_loses_too_much_gets_more_bits(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, languages: list[str] | None
) -> None:
    pairs = built_in_pairs(languages)[:60]
    some = Options(languages=languages, force=True)
    small, large = (
        quantize(plain, tmp_path / form, pairs=pairs, options=replace(some, embeddings=form)).comparison.largest_change
        for form in ("int4", "int8")
    )
    assert large < small
    monkeypatch.setattr("resift.quantize.tables._LARGE", 1)
    allowed = Tolerance(spearman=0, overlap=0, change=(small + large) / 2)
    report = quantize(plain, tmp_path / "auto", pairs=pairs, options=replace(some, tolerance=allowed))
    assert [attempt.what for attempt in report.attempts] == ["int8, embeddings in int4", "embeddings in int8"]
    assert report.passed
    assert report.comparison.largest_change == large
    assert report.embeddings["embeddings.word"] == "int8"


def test_a_failure_writes_nothing(plain: Path, tmp_path: Path) -> None:
    never = Tolerance(change=0.0)
    with pytest.raises(VerificationFailed, match=r"a score changed by .* loses most in layers\.\d"):
        quantize(plain, tmp_path / "out" / "int8", options=Options(tolerance=never))
    assert list((tmp_path / "out").iterdir()) == []


def test_force_writes_and_says_so(plain: Path, tmp_path: Path) -> None:
    report = quantize(
        plain, tmp_path / "int8", options=Options(tolerance=Tolerance(change=0.0), embeddings="int4", force=True)
    )
    assert not report.passed
    content = json.loads((tmp_path / "int8" / "quantization.json").read_text())
    assert content == json.loads(json.dumps(report.to_dict()))
    assert content["passed"] is False
    assert np.isfinite(scores(tmp_path / "int8")).all()


def test_bf16(plain: Path, tmp_path: Path) -> None:
    report = quantize(plain, tmp_path / "bf16", options=Options(precision="bf16"))
    assert report.comparison.spearman is not None
    assert report.comparison.spearman > 0.999
    with Reranker(tmp_path / "bf16") as reranker:
        assert reranker.info.precision == "bf16"


def test_labels_give_ndcg(plain: Path, tmp_path: Path) -> None:
    pairs = [JudgedPair(pair.query, pair.document, i % 3) for i, pair in enumerate(built_in_pairs())]
    report = quantize(plain, tmp_path / "int8", pairs=pairs, options=Options(tolerance=Tolerance(ndcg_drop=1)))
    assert report.texts == "given"
    assert report.comparison.ndcg is not None
    assert all(0 < value < 1 for value in report.comparison.ndcg)


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
def test_the_embedded_model_keeps_its_match_features(tmp_path: Path) -> None:
    report = quantize(None, tmp_path / "int8")
    assert report.passed
    with Reranker() as full, Reranker(tmp_path / "int8") as quantised:
        pairs = [("capital of France", "Paris is the capital of France."), ("capital of France", "Berlin")]
        np.testing.assert_allclose(quantised.score(pairs), full.score(pairs), atol=0.1)


def test_errors(plain: Path, tmp_path: Path) -> None:
    quantize(plain, tmp_path / "int8")
    with pytest.raises(InputError, match="exists already"):
        quantize(plain, tmp_path / "int8")
    with pytest.raises(InputError, match="quantised already"):
        quantize(tmp_path / "int8", tmp_path / "again")
    with pytest.raises(InputError, match="no pairs"):
        quantize(plain, tmp_path / "other", pairs=[])
    with pytest.raises(DeviceError, match="stored as int8"):
        Reranker(tmp_path / "int8", precision="fp32")


def test_a_cut_vocabulary_scores_its_languages_alike(plain: Path, tmp_path: Path) -> None:
    report = quantize(plain, tmp_path / "en", options=Options(languages=["en"]))
    assert report.vocabulary < report.original_vocabulary == 400
    pairs = [("deep learning model", "the network answers"), ("weather of the city", "a river in the city")]
    with Reranker(plain) as full, Reranker(tmp_path / "en") as cut:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(cut.score(pairs), full.score(pairs), atol=0.2)
        with pytest.warns(UserWarning, match="tokens are unknown to this model"):
            cut.score([("погода", "река")])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # said once
            cut.score([("погода", "река")])

"""The network in torch is the model that resift scores with, padded, packed, with LoRA and without."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resift.errors import InputError, TrainingFailed
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.source import EMBEDDED_FOLDER, locate
from tests.checkpoints import make_checkpoint

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("one_torch_thread")]
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from resift.training import network as net  # noqa: E402
from resift.training.prior import scale_prior  # noqa: E402
from resift.training.same import check_same, pad_id  # noqa: E402
from resift.training.settings import Settings  # noqa: E402
from resift.training.texts import engine_scores, make_encoder  # noqa: E402

PAIRS = [
    ("how to train a model", "deep learning models train with dropout"),
    ("如何提高泛化能力", "深度学习模型的天气"),
    ("query", "<pad> [PAD] a token of padding in the text </s>"),
    ("x", ""),
    ("", "y"),
    ("a long question " * 30, "an answer " * 100),
    ("short", "the river and the city " * 60),
    ("search", "price"),
]
TOLERANCE = 1e-4
PEFT = "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
"""peft 0.21 asks transformers 5.23 by an old name."""


@pytest.fixture(scope="module", params=["bert", "roberta", "xlm-roberta", "bert-half", "embedded"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    if request.param == "embedded":
        if not EMBEDDED_FOLDER.is_dir():
            pytest.skip("this checkout has no embedded model")
        return load_checkpoint(locate(None))
    family = request.param.removesuffix("-half")
    folder = make_checkpoint(
        tmp_path_factory.mktemp("model"), family, dtype="f16" if request.param.endswith("half") else "f32"
    )
    return load_checkpoint(locate(folder))


def sequences(checkpoint: Checkpoint, **settings: object):
    return make_encoder(checkpoint, Settings(**settings)).sequences(PAIRS)


@pytest.mark.parametrize("settings", [{}, {"max_length": 40, "truncation": "longest_first"}, {"query_max_length": 5}])
def test_torch_scores_as_resift_does(checkpoint: Checkpoint, settings: dict[str, object]) -> None:
    texts = sequences(checkpoint, **settings)
    found = net.score(net.build(checkpoint), texts, pad_id=pad_id(checkpoint), budget=300)
    expected = engine_scores(checkpoint, texts)
    assert np.ptp(expected) > 0.1, "scores that are all alike would prove nothing"
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_scores_do_not_depend_on_the_batch(checkpoint: Checkpoint) -> None:
    network, texts = net.build(checkpoint), sequences(checkpoint)
    together = net.score(network, texts, pad_id=pad_id(checkpoint), budget=10_000)
    alone = [net.score(network, [one], pad_id=pad_id(checkpoint), budget=1)[0] for one in texts]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    assert net.score(network, [], pad_id=0, budget=1).tolist() == []


def test_weights_come_back_as_they_are(checkpoint: Checkpoint) -> None:
    tensors = net.to_tensors(net.build(checkpoint))
    assert tensors.keys() == checkpoint.tensors.keys()
    assert all(np.array_equal(tensors[name], values.astype(np.float32)) for name, values in checkpoint.tensors.items())


def test_another_network_is_noticed(checkpoint: Checkpoint) -> None:
    network, texts = net.build(checkpoint), sequences(checkpoint)
    check_same(checkpoint, network, texts, when="now")
    with torch.no_grad():
        network.body.classifier.bias.add_(0.01) if hasattr(network.body.classifier, "bias") else (
            network.body.classifier.out_proj.bias.add_(0.01)
        )
    with pytest.raises(TrainingFailed, match="now, torch and resift score differently"):
        check_same(checkpoint, network, texts, when="now")


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")
def test_a_scaled_prior_is_written_into_its_tables(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED_FOLDER, folder)
    original = load_checkpoint(locate(folder))
    network = net.build(original)
    assert network.prior_scale == 1.0
    with torch.no_grad():
        network.scale.fill_(-0.01)
    texts = sequences(original)
    scaled = net.score(network, texts, pad_id=0, budget=500)
    assert network.prior_scale == pytest.approx(0.7408, abs=1e-4)
    scale_prior(folder, original.config, network.prior_scale)
    written = load_checkpoint(locate(folder))
    np.testing.assert_allclose(engine_scores(written, sequences(written)), scaled, rtol=1e-5, atol=1e-5)
    before = [one.prior for one in texts]
    after = [one.prior for one in sequences(written)]
    np.testing.assert_allclose(after, np.multiply(before, network.prior_scale), rtol=1e-5)


@pytest.mark.filterwarnings(PEFT)
def test_merged_lora_computes_the_same(checkpoint: Checkpoint) -> None:
    pytest.importorskip("peft")
    plain, texts = net.build(checkpoint), sequences(checkpoint)
    before = net.score(plain, texts, pad_id=pad_id(checkpoint), budget=500)
    network = net.add_lora(plain, 4)
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    spec = checkpoint.spec
    assert sum("lora_A" in name for name in trained) == 6 * spec.layers
    assert any("classifier" in name for name in trained)
    assert not any("embeddings" in name for name in trained)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in network.parameters():
            if one.requires_grad:
                one.add_(torch.randn(one.shape, generator=random) * 0.05)
    changed = net.score(network, texts, pad_id=pad_id(checkpoint), budget=500)
    merged = net.merge_lora(network)
    np.testing.assert_allclose(
        net.score(merged, texts, pad_id=pad_id(checkpoint), budget=500), changed, rtol=1e-5, atol=1e-4
    )
    assert np.abs(changed - before).max() > 1e-3
    assert net.to_tensors(merged).keys() == checkpoint.tensors.keys()


def test_frozen_embeddings_are_no_part_of_training(checkpoint: Checkpoint) -> None:
    network = net.build(checkpoint)
    net.freeze_embeddings(network)
    frozen = {name for name, one in network.named_parameters() if not one.requires_grad}
    assert {name.split(".")[-2] for name in frozen} == {
        "word_embeddings", "position_embeddings", "token_type_embeddings",
    }  # fmt: skip


def test_rounding_to_half(tmp_path: Path) -> None:
    network = net.build(load_checkpoint(locate(make_checkpoint(tmp_path))))
    assert net.round_to_half(network)
    for values in net.to_tensors(network).values():
        assert np.array_equal(values, values.astype(np.float16).astype(np.float32))
    with torch.no_grad():
        next(network.parameters())[0, 0] = 1e6
    assert not net.round_to_half(network)
    assert float(next(network.parameters()).detach()[0, 0]) == 1e6


def test_lengths_that_do_not_fit(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(locate(make_checkpoint(tmp_path)))
    with pytest.raises(InputError, match="max_length is 1000, expected 6 to 128"):
        make_encoder(checkpoint, replace(Settings(), max_length=1000))

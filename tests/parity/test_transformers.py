"""The whole numeric path against transformers: the same files, the same ids, the same logits.

Tolerance 1e-4 on logits of about 1: both sides compute in float32 and add in another order.
"""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from resift.engine.backends.reference import ReferenceBackend
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.source import locate
from resift.types import ModelSpec, PackedBatch
from tests.batches import packed, random_sequences
from tests.checkpoints import make_checkpoint

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
VARIANTS = {
    "xlm-roberta": {"family": "xlm-roberta"},
    "roberta": {"family": "roberta"},
    "bert": {"family": "bert"},
    "bert-one-type": {"family": "bert", "types": 1},
    "gelu-new": {"family": "bert", "activation": "gelu_new"},
    "gelu-tanh": {"family": "xlm-roberta", "activation": "gelu_pytorch_tanh"},
    "relu": {"family": "roberta", "activation": "relu"},
    "half": {"family": "xlm-roberta", "dtype": "f16"},
    "bfloat": {"family": "bert", "dtype": "bf16"},
    "shards": {"family": "xlm-roberta", "dtype": "f16", "shards": 3},
    "deep": {"family": "xlm-roberta", "layers": 6, "hidden": 48, "heads": 3, "ffn": 100, "seed": 5},
    "one-head": {"family": "bert", "layers": 1, "heads": 1},
}
Forward = Callable[[PackedBatch], np.ndarray]


def reference(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> Forward:
    return ReferenceBackend(spec, tensors).forward


def native(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> Forward:
    if importlib.util.find_spec("resift._native") is None:
        pytest.skip("the native backend is not built")
    from resift.engine.backends.native import NativeBackend

    return NativeBackend(spec, tensors).forward


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"), **request.param)


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(locate(folder))


@pytest.fixture(scope="module")
def batch(checkpoint: Checkpoint) -> PackedBatch:
    """Every length from 2 to 12, and lengths up to the longest that the position table holds."""
    longest = checkpoint.spec.max_length
    return packed(random_sequences(checkpoint.spec, [*range(2, 13), longest, longest // 2, 3, longest - 1], seed=7))


@pytest.fixture(scope="module")
def expected(folder: Path, batch: PackedBatch) -> np.ndarray:
    return transformers_logits(folder, batch)


def transformers_logits(folder: Path, batch: PackedBatch) -> np.ndarray:
    """Run transformers as everyone does: one padded batch with its mask."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    lengths = np.diff(batch.offsets)
    ids = np.full((len(batch), lengths.max()), model.config.pad_token_id, dtype=np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for row, (start, end) in enumerate(zip(batch.offsets[:-1], batch.offsets[1:], strict=True)):
        ids[row, : end - start] = batch.ids[start:end]
        mask[row, : end - start] = 1
        if batch.types is not None:
            types[row, : end - start] = batch.types[start:end]
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    with torch.inference_mode():
        return model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits[:, 0].numpy()


@pytest.mark.parametrize("backend", [reference, native])
def test_logits_are_those_of_transformers(
    backend: Callable[..., Forward], checkpoint: Checkpoint, batch: PackedBatch, expected: np.ndarray
) -> None:
    logits = backend(checkpoint.spec, checkpoint.tensors)(batch)
    assert logits.dtype == np.float32
    assert expected.std() > 0.1, "logits that are all alike would prove nothing"
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta", "bert"])
def test_generated_checkpoints_are_exact(family: str, tmp_path: Path) -> None:
    """transformers finds every tensor that it wants in a generated checkpoint, and no other."""
    make_checkpoint(tmp_path, family)
    _, report = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta", "bert"])
def test_what_transformers_saves_is_read(family: str, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "made", family)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "made")
    model.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "tokenizer.json").write_bytes((tmp_path / "made" / "tokenizer.json").read_bytes())
    made, saved = (load_checkpoint(locate(tmp_path / name)) for name in ("made", "saved"))
    assert made.spec == saved.spec
    assert made.tensors.keys() == saved.tensors.keys()
    assert all(np.array_equal(made.tensors[name], saved.tensors[name]) for name in made.tensors)

"""From a folder to a checkpoint: generated ones load, damaged ones name what is wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.quantised import to_float32
from resift.loading.source import locate
from tests import checkpoints as made

FAMILIES = ["xlm-roberta", "roberta", "bert"]
WEIGHTS = "model.safetensors"
NORM = "roberta.encoder.layer.1.output.LayerNorm.weight"


def load(folder: Path) -> Checkpoint:
    return load_checkpoint(locate(folder))


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny XLM-RoBERTa checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


def rewrite(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Load the weights with the library, change them, save them with the library."""
    library = pytest.importorskip("safetensors.numpy")
    tensors = library.load_file(folder / WEIGHTS)
    change(tensors)
    (folder / WEIGHTS).unlink()
    library.save_file(tensors, folder / WEIGHTS)


def configure(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dtype", "stored"), [("f32", np.float32), ("f16", np.float16), ("bf16", np.uint16)])
@pytest.mark.parametrize("shards", [1, 4])
def test_every_tensor_arrives(tmp_path: Path, family: str, dtype: str, stored: type, shards: int) -> None:
    folder = made.make_checkpoint(tmp_path, family, dtype=dtype, shards=shards, seed=3)
    checkpoint = load(folder)
    shapes = made.tensor_shapes(made.Shape(family, types=2 if family == "bert" else 1))
    assert len(checkpoint.tensors) == len(shapes)
    expected = {name: made.weights(name, shape, seed=3) for name, shape in shapes.items()}
    prefix = "bert." if family == "bert" else "roberta."
    head = "bert.pooler.dense" if family == "bert" else "classifier.dense"
    for ours, theirs in {
        "embeddings.word": f"{prefix}embeddings.word_embeddings.weight",
        "layers.1.attention.value.bias": f"{prefix}encoder.layer.1.attention.self.value.bias",
        "layers.0.ffn.down.weight": f"{prefix}encoder.layer.0.output.dense.weight",
        "head.dense.weight": f"{head}.weight",
    }.items():
        tensor = checkpoint.tensors[ours]
        assert tensor.dtype == stored
        assert not tensor.flags.writeable
        np.testing.assert_allclose(to_float32(tensor), expected[theirs], rtol=2**-8, atol=2**-20)
    assert checkpoint.config["model_type"] == family


def test_tensors_are_views_of_the_file(checkpoint: Path) -> None:
    assert all(not tensor.flags.owndata for tensor in load(checkpoint).tensors.values())


def test_old_names_of_norms(folder: Path) -> None:
    expected = load(folder).tensors

    def rename(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if ".LayerNorm." in name]:
            old = name.replace(".weight", ".gamma").replace(".bias", ".beta")
            tensors[old] = tensors.pop(name)

    rewrite(folder, rename)
    tensors = load(folder).tensors
    assert all(np.array_equal(tensors[name], expected[name]) for name in expected)


def test_ignored_tensors(folder: Path) -> None:
    def add(tensors: dict[str, np.ndarray]) -> None:
        tensors["roberta.embeddings.position_ids"] = np.arange(130, dtype=np.int64)[None]
        tensors["roberta.pooler.dense.weight"] = np.full((32, 32), np.nan, np.float32)
        tensors["lm_head.bias"] = np.zeros(400, np.float64)

    rewrite(folder, add)
    assert len(load(folder).tensors) == len(made.tensor_shapes(made.Shape()))


def test_missing_and_unexpected_tensors_are_named(folder: Path) -> None:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors["classifier.out_project.weight"] = tensors.pop("classifier.out_proj.weight")
        del tensors[NORM]

    rewrite(folder, change)
    with pytest.raises(ModelLayoutError) as caught:
        load(folder)
    assert "missing: roberta.encoder.layer.1.output.LayerNorm.weight, classifier.out_proj.weight" in str(caught.value)
    assert "unexpected: classifier.out_project.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_hidden_layers": 3}, "missing: roberta.encoder.layer.2.attention.self.query.weight"),
        ({"num_hidden_layers": 1}, "unexpected: roberta.encoder.layer.1.attention"),
        ({"num_hidden_layers": 500}, "and 7948 more"),
        ({"vocab_size": 401}, r"has the shape \[400, 32\], config.json asks for \[401, 32\]"),
        ({"max_position_embeddings": 514}, r"has the shape \[130, 32\], config.json asks for \[514, 32\]"),
        ({"type_vocab_size": 2}, r"has the shape \[1, 32\]"),
        ({"intermediate_size": 65}, r"has the shape \[64, 32\]"),
        ({"hidden_size": 64}, r"asks for \[400, 64\]"),
        ({"vocab_size": 300}, "token id 399, but the model's vocabulary is 300"),
        ({"bos_token_id": 5}, "bos_token_id is 5"),
        ({"architectures": ["BertForSequenceClassification"]}, r"lacks \[CLS\] or \[SEP\]"),
    ],
)
def test_a_config_that_does_not_fit(folder: Path, changes: dict[str, object], reason: str) -> None:
    configure(folder, **changes)
    with pytest.raises(ModelLayoutError, match=reason):
        load(folder)


def test_a_classifier_is_refused(folder: Path) -> None:
    """A config may leave the number of labels to its default; the tensors tell."""

    def widen(tensors: dict[str, np.ndarray]) -> None:
        tensors["classifier.out_proj.weight"] = np.zeros((2, 32), np.float32)
        tensors["classifier.out_proj.bias"] = np.zeros(2, np.float32)

    rewrite(folder, widen)
    configure(folder, id2label=None)
    with pytest.raises(UnsupportedModel, match="gives 2 scores"):
        load(folder)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tensor", [NORM, "roberta.encoder.layer.0.intermediate.dense.weight", "classifier.dense.bias"])
def test_weights_that_are_no_numbers(tmp_path: Path, dtype: made.DType, value: float, tensor: str) -> None:
    folder = made.make_checkpoint(tmp_path, dtype=dtype)
    content = bytearray((folder / WEIGHTS).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    _, end = json.loads(content[8:start])[tensor]["data_offsets"]
    last = made.to_bytes(np.array([value], np.float32), dtype)
    content[start + end - len(last) : start + end] = last
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelLayoutError, match=f"tensor '{tensor}' holds a NaN or an infinity"):
        load(folder)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.int8])
def test_other_dtypes_are_refused(folder: Path, dtype: type) -> None:
    rewrite(folder, lambda tensors: tensors.update({NORM: tensors[NORM].astype(dtype)}))
    with pytest.raises(UnsupportedModel, match=f"{NORM}' is stored as"):
        load(folder)


def test_pickles_are_refused_with_a_way_out(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel, match=r"pytorch_model\.bin, a pickle") as caught:
        load(folder)
    assert "save_pretrained" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("file", "reason"),
    [("config.json", r"has no config\.json"), (WEIGHTS, "has no weights"), ("tokenizer.json", "has no tokenizer")],
)
def test_a_missing_file_is_named(folder: Path, file: str, reason: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ModelLayoutError, match=reason):
        load(folder)


@pytest.mark.parametrize("file", ["config.json", WEIGHTS, "tokenizer.json"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(folder: Path, file: str, kept: float) -> None:
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelLayoutError, match=file):
        load(folder)


def test_importing_the_loader_loads_no_framework() -> None:
    code = "import sys, resift.loading.checkpoint; print({'torch', 'transformers', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class TestShards:
    """Weights in several files, listed by model.safetensors.index.json."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return made.make_checkpoint(tmp_path, shards=3)

    @staticmethod
    def point(folder: Path, name: str) -> None:
        """Let the index send its first tensor to the file `name`."""
        index = folder / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        content["weight_map"]["roberta.embeddings.word_embeddings.weight"] = name
        index.write_text(json.dumps(content))

    def test_a_missing_shard_is_named(self, folder: Path) -> None:
        (folder / "model-00002-of-00003.safetensors").unlink()
        with pytest.raises(ModelLayoutError, match=r"lacks 1 of 3 weight files: model-00002-of-00003\.safetensors"):
            load(folder)

    @pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", "a\\..\\x.safetensors", "C:x.safetensors"])
    def test_shards_stay_in_their_folder(self, folder: Path, name: str) -> None:
        self.point(folder, name)
        with pytest.raises(ModelLayoutError, match="not a safetensors file of its folder"):
            load(folder)

    def test_shards_are_no_pickles(self, folder: Path) -> None:
        self.point(folder, "pytorch_model.bin")
        with pytest.raises(ModelLayoutError, match="not a safetensors file"):
            load(folder)

    def test_a_tensor_in_two_shards(self, folder: Path) -> None:
        shutil.copy(folder / "model-00001-of-00003.safetensors", folder / "model-00004-of-00003.safetensors")
        self.point(folder, "model-00004-of-00003.safetensors")
        with pytest.raises(ModelLayoutError, match=r"is in .*00001-of-00003.* and in .*00004-of-00003"):
            load(folder)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[" * 9999])
    def test_an_index_that_is_none(self, folder: Path, content: str) -> None:
        (folder / "model.safetensors.index.json").write_text(content)
        with pytest.raises(ModelLayoutError, match=r"index\.json"):
            load(folder)

    def test_a_single_file_wins_over_an_index(self, folder: Path, checkpoint: Path) -> None:
        shutil.copy(checkpoint / WEIGHTS, folder / WEIGHTS)
        (folder / "model-00002-of-00003.safetensors").unlink()
        assert len(load(folder).tensors) == len(made.tensor_shapes(made.Shape()))

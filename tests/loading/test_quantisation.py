"""Folders of `resift quantize` are recognised and checked like any other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resift.errors import ModelLayoutError, ModelNotFound, UnsupportedModel
from resift.loading.cached import folder_models
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.files import missing, wanted
from resift.loading.quantised import (
    from_groups,
    from_nibbles,
    from_panels,
    panel_shape,
    round_rows,
    to_bf16,
    to_float32,
    to_nibbles,
    to_panels,
)
from resift.loading.safetensors import read_safetensors
from resift.loading.source import locate
from resift.quantize import Options, Tolerance, quantize
from resift.quantize.writer import SafetensorsWriter, Slot
from tests.checkpoints import make_checkpoint

DTYPES = {"|i1": "I8", "|u1": "U8", "<i4": "I32", "<f2": "F16", "<f4": "F32"}
WEIGHTS = "model.safetensors"
ANY = Tolerance(spearman=-1, overlap=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("quantised")
    make_checkpoint(root / "model", hidden=64, ffn=96)
    quantize(root / "model", root / "int8", options=Options(tolerance=ANY, embeddings="int4"))
    return root / "int8"


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def load(folder: Path) -> Checkpoint:
    return load_checkpoint(locate(folder))


def declare(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["resift"]["quantization"] |= changes
    (folder / "config.json").write_text(json.dumps(config))


def rewrite(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    tensors = {name: tensor.array().copy() for name, tensor in read_safetensors(folder / WEIGHTS).items()}
    change(tensors)
    (folder / WEIGHTS).unlink()
    slots = {name: Slot(DTYPES[array.dtype.str], array.shape) for name, array in tensors.items()}
    with SafetensorsWriter(folder / WEIGHTS, slots) as writer:
        for name, array in tensors.items():
            writer.write(name, array)


@pytest.mark.parametrize("form", ["int8", "bf16"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 64), (33, 65), (64, 128), (100, 30)])
def test_panels(form: str, n: int, k: int) -> None:
    weights = np.arange(n * k, dtype=np.int64).reshape(n, k).astype(np.int8 if form == "int8" else np.uint16)
    panels = to_panels(weights, form)
    assert panels.shape == panel_shape(n, k, form)
    parts = panels.shape[3]
    for output, column in ((0, 0), (n - 1, k - 1), (n // 2, k // 3)):
        place = (output // 32, column // parts, output % 32, column % parts)
        assert panels[place] == weights[output, column]
    assert np.array_equal(from_panels(panels, n, k), weights)
    assert panels.astype(np.int64).sum() == weights.astype(np.int64).sum()  # zero outside of the matrix


def test_rounding() -> None:
    rounded, scale = round_rows(np.array([[1, -2, 0.5], [0, 0, 0], [127, 0.5, 1.5]], np.float32))
    assert rounded.tolist() == [[64, -127, 32], [0, 0, 0], [127, 0, 2]]
    assert scale.tolist() == [np.float32(2) / np.float32(127), 0, 1]
    bits = to_bf16(np.array([1, 1 + 2**-9, 1 + 3 * 2**-9, -np.inf], np.float32))
    assert to_float32(bits).tolist() == [1, 1, 1 + 2**-7, -np.inf]


def test_nibbles_and_groups() -> None:
    values = np.array([[-8, 7, 0, -1], [1, 2, 3, 4]], np.int8)
    packed = to_nibbles(values)
    assert packed.tolist() == [[0 | 15 << 4, 8 | 7 << 4], [9 | 10 << 4, 11 | 12 << 4]]
    assert np.array_equal(from_nibbles(packed), values)
    scale = np.array([[1, 2], [0.5, 0]], np.float16)
    assert from_groups(values, scale).tolist() == [[-8, 7, 0, -2], [0.5, 1, 0, 0]]


def test_tensors_are_views_of_the_file(written: Path) -> None:
    checkpoint = load(written)
    assert checkpoint.precision == "int8"
    assert all(not tensor.flags.owndata for tensor in checkpoint.tensors.values())
    assert {"embeddings.word.int4", "layers.1.attention.key_value.weight_int8"} <= set(checkpoint.tensors)


def test_a_quantised_repository_is_complete() -> None:
    names = ["config.json", "model.safetensors", "quantization.json", "tokenizer.safetensors", "other.bin"]
    assert missing(names) == []
    assert wanted(names) == names[:-1]


def test_it_is_listed_with_its_report(folder: Path) -> None:
    (model,) = folder_models([folder])
    assert (model.kind, model.family, model.problem) == ("folder", "xlm-roberta", None)
    assert model.quantization is not None
    assert model.quantization["precision"] == "int8"
    for damaged in ("", "[1]", "{"):
        (folder / "quantization.json").write_text(damaged)
        assert folder_models([folder])[0].quantization is None
    (folder / "model.safetensors").unlink()
    assert folder_models([folder])[0].family is None
    with pytest.raises(ModelNotFound):
        folder_models([folder / "none"])


def test_panels_begin_on_cache_lines(written: Path) -> None:
    tensors = read_safetensors(written / WEIGHTS)
    assert all(t.data.ctypes.data % 64 == 0 for name, t in tensors.items() if name.endswith("weight_int8"))


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"version": 2}, UnsupportedModel, r"version 2 .*reads version 1.*upgrade resift"),
        ({"layout": "panels64"}, UnsupportedModel, "panels64"),
        ({"version": "1"}, ModelLayoutError, "version is '1', expected a number"),
        ({"precision": "fp32"}, ModelLayoutError, "precision is 'fp32'"),
        ({"precision": None}, ModelLayoutError, "precision is None"),
    ],
)
def test_declarations(folder: Path, changes: dict[str, object], error: type[Exception], reason: str) -> None:
    declare(folder, **changes)
    with pytest.raises(error, match=reason):
        load(folder)


def test_a_declaration_that_is_none(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["resift"]["quantization"] = [1]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLayoutError, match=r"resift.quantization is \[1\], expected an object"):
        load(folder)


def _drop(name: str) -> Callable[[dict[str, np.ndarray]], object]:
    return lambda tensors: tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop("layers.0.ffn.up.scale"), "missing: layers.0.ffn.up.scale"),
        (_drop("layers.0.ffn.up.weight_int8"), "missing: layers.0.ffn.up.weight_int8"),
        (_drop("embeddings.word.int4"), "missing: embeddings.word.int8"),
        (_drop("embeddings.word.scale"), "missing: embeddings.word.scale"),
        (lambda t: t.update(extra=np.zeros(3, np.float32)), "unexpected: extra"),
        (lambda t: t.update({"layers.0.ffn.up.scale": np.zeros(95, np.float32)}), r"has the shape \[95\]"),
        (lambda t: t.update({"embeddings.word.scale": np.zeros((400, 7), np.float16)}), "7 groups for 64 columns"),
        (lambda t: t["layers.1.ffn.down.scale"].__setitem__(3, np.nan), "scale' holds a NaN"),
        (lambda t: t["embeddings.word.scale"].__setitem__(7, np.inf), "scale' holds a NaN or an infinity"),
        (lambda t: t["layers.0.attention.query.bias"].__setitem__(0, np.inf), "bias' holds a NaN"),
        (lambda t: t["embeddings.norm.weight"].__setitem__(0, np.nan), "norm.weight' holds a NaN"),
    ],
)
def test_damage_is_named(folder: Path, change: Callable[[dict[str, np.ndarray]], object], reason: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelLayoutError, match=reason):
        load(folder)


def test_wrong_dtypes(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({"layers.0.ffn.up.sums": np.zeros(96, np.float32)}))
    with pytest.raises(UnsupportedModel, match="stored as F32"):
        load(folder)


def test_panels_that_are_not_aligned(folder: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors = library.load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    library.save_file(tensors, folder / WEIGHTS)  # in an order of its own
    with pytest.raises(ModelLayoutError, match="does not begin on a multiple of 64 bytes"):
        load(folder)


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_a_file_cut_short(folder: Path, kept: float) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelLayoutError, match=WEIGHTS):
        load(folder)

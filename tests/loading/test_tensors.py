"""Weights without a tokenizer, and texts without weights: the two sides of a model in two processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resift.errors import ModelLayoutError
from resift.loading.checkpoint import load_checkpoint, load_text_side
from resift.loading.source import locate
from resift.loading.tensors import load_tensors
from tests.checkpoints import make_checkpoint


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta", "bert"])
def test_both_sides_are_the_checkpoint(checkpoints: dict[str, Path], family: str) -> None:
    source = locate(checkpoints[family])
    whole, text = load_checkpoint(source), load_text_side(source)
    assert (text.source, text.spec, text.config) == (source, whole.spec, whole.config)
    assert text.tokenizer.to_str() == whole.tokenizer.to_str()
    assert (text.precision, text.unknown_id) == (whole.precision, whole.unknown_id)
    tensors = load_tensors(source.folder, text.spec, stored=text.precision)
    assert list(tensors) == list(whole.tensors)
    assert all(np.array_equal(tensors[name], whole.tensors[name]) for name in tensors)


def test_the_text_side_needs_no_weights(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "model")
    expected = load_text_side(locate(folder)).spec
    (folder / "model.safetensors").unlink()
    assert load_text_side(locate(folder)).spec == expected
    with pytest.raises(ModelLayoutError, match="has no weights"):
        load_tensors(folder, expected, stored=None)


def test_the_weights_need_no_tokenizer(checkpoint: Path, tmp_path: Path) -> None:
    spec = load_text_side(locate(checkpoint)).spec
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    (folder / "tokenizer.json").unlink()
    assert len(load_tensors(folder, spec, stored=None)) > 0


def test_importing_the_weights_side_imports_no_tokenizers() -> None:
    code = "import sys, resift.engine.worker; print('tokenizers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

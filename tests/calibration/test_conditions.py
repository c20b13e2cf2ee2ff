from pathlib import Path

import pytest

from resift.calibration.conditions import fingerprint
from resift.errors import InputError


def test_another_weight_is_another_model_and_an_encoder_beside_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = fingerprint(tmp_path)
    (tmp_path / "embedder.safetensors").write_bytes(b"vectors")
    (tmp_path / "README.md").write_text("words")
    assert fingerprint(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert fingerprint(tmp_path) != first


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files of a model"):
        fingerprint(tmp_path)

from pathlib import Path

import pytest

from resift.calibration.conditions import fingerprint
from resift.errors import InputError


def test_other_tensors_are_another_model_and_other_words_are_not(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    (tmp_path / "embedder.safetensors").write_bytes(b"vectors that match features compare")
    first = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert fingerprint(tmp_path) == first
    (tmp_path / "embedder.safetensors").write_bytes(b"others")
    second = fingerprint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert len({first, second, fingerprint(tmp_path)}) == 3


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files of a model"):
        fingerprint(tmp_path)

from pathlib import Path

from resift.bench.staging import stage


def model(folder: Path, text: str = "{}") -> Path:
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(text)
    return folder


def test_a_stage_shows_the_models_files_and_leaves_the_model_alone(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    staged = stage(folder, tmp_path / "root")
    assert (staged / "config.json").read_text() == "{}"
    assert not (staged / "onnx").exists()
    (staged / "onnx").mkdir()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "onnx"]


def test_the_same_model_has_the_same_stage_and_keeps_what_was_made(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    first = stage(folder, tmp_path / "root")
    (first / "made").touch()
    assert (stage(folder, tmp_path / "root") / "made").exists()


def test_a_changed_model_has_another(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    first = stage(folder, tmp_path / "root")
    assert stage(model(folder, "{ }"), tmp_path / "root") != first
    assert stage(model(tmp_path / "elsewhere" / "model", "{ }"), tmp_path / "root") != first

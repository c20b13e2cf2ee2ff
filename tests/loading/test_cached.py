"""The list of what is installed."""

from pathlib import Path

import pytest

from resift.loading import cached
from resift.loading.cached import installed_models


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkpoint: Path) -> Path:
    monkeypatch.setattr(cached, "EMBEDDED_FOLDER", checkpoint)
    return checkpoint


def add(cache: Path, name: str, files: dict[str, bytes], *, commit: str = "b" * 40, kind: str = "models") -> Path:
    """Lay a repository out as huggingface_hub's cache does: snapshots of links to blobs, and refs."""
    root = cache / f"{kind}--{name.replace('/', '--')}"
    snapshot = root / "snapshots" / commit
    for folder in (snapshot, root / "blobs", root / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(commit)
    for i, (file, content) in enumerate(files.items()):
        blob = root / "blobs" / f"{commit[:4]}{i}"
        blob.write_bytes(content)
        (snapshot / file).symlink_to(blob)
    return snapshot


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_empty_cache(cache: Path, embedded: Path) -> None:
    (model,) = installed_models(cache)
    assert (model.name, model.kind, model.revision, model.family) == ("embedded", "embedded", None, "xlm-roberta")
    assert model.bytes == sum(path.stat().st_size for path in embedded.iterdir())
    assert model.problem is None


def test_no_embedded_model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "EMBEDDED_FOLDER", cache / "none")
    assert installed_models(cache) == []


def test_cached_models(cache: Path, checkpoints: dict[str, Path]) -> None:
    files = files_of(checkpoints["bert"])
    folder = add(cache, "b/reranker", files)
    add(cache, "a/newer", files_of(checkpoints["roberta"]), commit="c" * 40)
    add(cache, "a/data", {"data.csv": b""}, kind="datasets")
    _, newer, model = installed_models(cache)
    assert (newer.name, newer.revision, newer.family) == ("a/newer", "c" * 40, "roberta")
    assert (model.name, model.kind, model.revision, model.folder) == ("b/reranker", "hub", "b" * 40, folder)
    assert model.bytes == sum(len(content) for content in files.values())
    assert (model.family, model.problem) == ("bert", None)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"tokenizer.json": b"{}", "model.safetensors": b""}, "lacks config.json"),
        ({"config.json": b'{"architectures": ["BertModel"]}'}, "architecture is BertModel"),
        ({"config.json": b"{"}, "is not JSON"),
        ({"model.safetensors": None}, "lacks model.safetensors"),
        ({"model.safetensors": None, "pytorch_model.bin": b"x"}, "a pickle"),
        (
            {"model.safetensors": None, "model.safetensors.index.json": b'{"weight_map": {"a": "b.safetensors"}}'},
            "b.safe",
        ),
        ({"tokenizer.json": None}, "lacks tokenizer.json"),
    ],
)
def test_models_that_do_not_run_say_why(
    cache: Path, checkpoint: Path, files: dict[str, bytes | None], problem: str
) -> None:
    complete = files_of(checkpoint) if "tokenizer.json" not in files or files["tokenizer.json"] is None else {}
    add(cache, "a/model", {name: content for name, content in (complete | files).items() if content is not None})
    model = installed_models(cache)[1]
    assert model.family is None
    assert problem in str(model.problem)

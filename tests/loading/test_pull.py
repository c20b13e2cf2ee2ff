"""Pulled files are what the hub says they are."""

from pathlib import Path

import pytest

from resift.errors import ModelLayoutError, ModelNotFound
from resift.loading.checkpoint import load_checkpoint
from resift.loading.hub import Hub
from resift.loading.pull import pull
from resift.loading.source import locate
from tests.loading.hub_server import HubServer
from tests.loading.test_source import NAME, hub, nowhere, server

__all__ = ["hub", "nowhere", "server"]


def test_to_the_cache(server: HubServer, hub: Hub, checkpoint: Path) -> None:
    server.add(NAME, checkpoint)
    pulled = pull(NAME, hub=hub, progress=False)
    assert (pulled.name, pulled.commit) == (NAME, "a" * 40)
    assert [file.name for file in pulled.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert pulled.bytes == sum(path.stat().st_size for path in checkpoint.iterdir())
    assert locate(NAME, hub=hub, download=False).folder == pulled.folder


def test_to_a_folder_that_can_be_copied(server: HubServer, hub: Hub, checkpoint: Path, tmp_path: Path) -> None:
    server.add(NAME, checkpoint)
    pulled = pull(NAME, hub=hub, to=tmp_path / "copy", progress=False)
    assert pulled.folder == (tmp_path / "copy").resolve()
    assert not any(path.is_symlink() for path in pulled.folder.iterdir())
    assert load_checkpoint(locate(pulled.folder)).spec.layers == 2


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("copied", [False, True])
def test_a_damaged_file_is_found_and_loaded_again(
    server: HubServer, hub: Hub, checkpoint: Path, tmp_path: Path, file: str, copied: bool
) -> None:
    server.add(NAME, checkpoint)
    to = tmp_path / "copy" if copied else None
    path = pull(NAME, hub=hub, to=to, progress=False).folder / file
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-1] + b"?")
    with pytest.raises(ModelLayoutError, match=f"{file} was damaged and is deleted") as caught:
        pull(NAME, hub=hub, to=to, progress=False)
    assert caught.value.hint == "run the same command again"
    assert not path.exists()
    assert (pull(NAME, hub=hub, to=to, progress=False).folder / file).read_bytes() == content


def test_a_cached_model_and_no_network(server: HubServer, hub: Hub, nowhere: Hub, checkpoint: Path) -> None:
    server.add(NAME, checkpoint)
    folder = pull(NAME, hub=hub, progress=False).folder
    with pytest.raises(ModelNotFound, match="cannot be reached") as caught:
        pull(NAME, hub=nowhere)
    assert str(folder) in str(caught.value.hint)


def test_nothing_cached_and_no_network(nowhere: Hub) -> None:
    with pytest.raises(ModelNotFound, match="cannot be reached") as caught:
        pull(NAME, hub=nowhere)
    assert "--to FOLDER" in str(caught.value.hint)


@pytest.mark.parametrize("model", ["", "embedded", "./folder", "a/b/c"])
def test_what_is_not_on_a_hub(model: str) -> None:
    with pytest.raises(ModelNotFound, match="is not a hub id"):
        pull(model)

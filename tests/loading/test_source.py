"""From a name to a folder: embedded, on disk, in the cache, from a hub (a local one, with the real client)."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from resift.errors import ModelError, ModelLayoutError, ModelNotFound, UnsupportedModel
from resift.loading import source
from resift.loading.checkpoint import load_checkpoint
from resift.loading.hub import Hub, is_hub_id
from resift.loading.source import ModelSource, locate
from tests.checkpoints import make_checkpoint
from tests.loading.hub_server import HubServer

NAME = "owner/reranker"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    if constants.HF_HUB_OFFLINE:
        pytest.skip("huggingface_hub is told to stay offline (HF_HUB_OFFLINE)")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HubServer() as server:
        yield server


@pytest.fixture
def hub(server: HubServer, tmp_path: Path) -> Hub:
    return Hub(cache_dir=tmp_path / "cache", endpoint=server.endpoint)


@pytest.fixture
def nowhere(tmp_path: Path) -> Hub:
    """A hub that nobody answers for, with the same cache."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return Hub(cache_dir=tmp_path / "cache", endpoint=f"http://127.0.0.1:{port}")


def test_a_folder(checkpoint: Path) -> None:
    expected = ModelSource(name=str(checkpoint), folder=checkpoint, revision=None, kind="folder")
    assert locate(checkpoint) == expected
    assert locate(str(checkpoint)) == expected


def test_a_folder_wins_over_a_hub_id(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkpoint.parent.parent)
    name = f"{checkpoint.parent.name}/{checkpoint.name}"
    assert is_hub_id(name)
    assert locate(name).kind == "folder"


def test_a_folder_in_the_home(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(checkpoint.parent))
    assert locate(f"~/{checkpoint.name}").folder == checkpoint


@pytest.mark.parametrize("model", [None, "embedded"])
def test_the_embedded_model(model: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "EMBEDDED_FOLDER", tmp_path)
    assert locate(model) == ModelSource(name="embedded", folder=tmp_path, revision=None, kind="embedded")
    monkeypatch.setattr(source, "EMBEDDED_FOLDER", tmp_path / "none")
    with pytest.raises(ModelNotFound, match="no embedded model"):
        locate(model)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "name",
        "./a/b",
        "/a/b",
        "a/b/c",
        "~nobody-of-this-name/a",
        "a" * 5000,
        "a/" + "b" * 300,
        "a\0b",
        "a/b\ud800",
        Path("a/b"),
    ],
)
def test_what_is_neither_a_folder_nor_a_hub_id(model: str | Path) -> None:
    with pytest.raises(ModelNotFound, match="there is no folder") as caught:
        locate(model)
    str(caught.value).encode()


def test_a_file(checkpoint: Path) -> None:
    with pytest.raises(ModelNotFound, match="is a file"):
        locate(checkpoint / "config.json")


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("BAAI/bge-reranker-v2-m3", True),
        ("a/b", True),
        ("mixedbread-ai/mxbai_rerank.v1", True),
        ("a", False),
        ("a/", False),
        ("/a", False),
        ("a/b/c", False),
        ("../a", False),
        ("a/..", False),
        ("a/b--c", False),
        ("a/b.git", False),
        ("a/-b", False),
        ("a/b-", False),
        ("a b/c", False),
        ("ä/b", False),
        ("a/b\n", False),
    ],
)
def test_hub_ids(name: str, valid: bool) -> None:
    assert is_hub_id(name) == valid


class TestHub:
    """Downloads, with the real huggingface_hub."""

    def test_a_model_is_downloaded_once(
        self, server: HubServer, hub: Hub, nowhere: Hub, checkpoint: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        server.add(NAME, checkpoint)
        found = locate(NAME, hub=hub, progress=False)
        assert (found.name, found.kind, found.revision) == (NAME, "hub", "a" * 40)
        assert load_checkpoint(found).spec == load_checkpoint(locate(checkpoint)).spec
        asked = len(server.requests)
        assert locate(NAME, hub=hub) == found
        assert len(server.requests) == asked, "a cached model needs no request"
        assert locate(NAME, hub=nowhere) == found
        assert locate(NAME, hub=nowhere, download=False) == found
        assert capfd.readouterr() == ("", ""), "progress=False shows nothing"

    def test_progress_is_shown_on_stderr(
        self, server: HubServer, hub: Hub, checkpoint: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        server.add(NAME, checkpoint)
        locate(NAME, hub=hub, progress=True)
        shown = capfd.readouterr()
        assert shown.out == ""
        assert "%" in shown.err

    def test_only_what_is_read_is_downloaded(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        others = ["pytorch_model.bin", "onnx/model.onnx", "model-00001-of-00002.safetensors", "x/model.safetensors"]
        server.add(NAME, checkpoint).files.update(
            dict.fromkeys([*others, "run.py"], b"x"), **{"README.md": b"", "matching.safetensors": b""}
        )
        folder = locate(NAME, hub=hub, progress=False).folder
        assert sorted(path.name for path in folder.rglob("*")) == [
            "README.md", "config.json", "matching.safetensors", "model.safetensors", "tokenizer.json"
        ]  # fmt: skip

    def test_shards(self, server: HubServer, hub: Hub, tmp_path: Path) -> None:
        server.add(NAME, make_checkpoint(tmp_path / "made", shards=3))
        assert len(load_checkpoint(locate(NAME, hub=hub, progress=False)).tensors) == 41

    def test_weights_come_last(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        """An interrupted download never looks complete."""
        server.add(NAME, checkpoint).files["matching.safetensors"] = b"x"
        locate(NAME, hub=hub, progress=False)
        assert server.downloads()[0] == "config.json"
        assert server.downloads()[-1] == "model.safetensors"

    @pytest.mark.parametrize("revision", ["v1", "a" * 40])
    def test_a_pinned_revision(
        self, server: HubServer, hub: Hub, nowhere: Hub, checkpoint: Path, revision: str
    ) -> None:
        server.add(NAME, checkpoint)
        found = locate(NAME, revision=revision, hub=hub, progress=False)
        assert found.revision == "a" * 40
        assert locate(NAME, revision=revision, hub=nowhere) == found
        with pytest.raises(ModelNotFound):
            locate(NAME, revision="v2", hub=nowhere)

    def test_a_download_goes_on_where_it_stopped(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        server.add(NAME, checkpoint).hold_back.add("model.safetensors")
        found = locate(NAME, hub=hub, progress=False)
        assert (found.folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()

    def test_an_incomplete_cache_is_completed(
        self, server: HubServer, hub: Hub, nowhere: Hub, checkpoint: Path
    ) -> None:
        server.add(NAME, checkpoint)
        folder = locate(NAME, hub=hub, progress=False).folder
        (folder / "tokenizer.json").unlink()
        with pytest.raises(ModelNotFound, match="nor complete in the cache"):
            locate(NAME, hub=nowhere)
        with pytest.raises(ModelNotFound, match="is not in the cache"):
            locate(NAME, hub=hub, download=False)
        assert (locate(NAME, hub=hub, progress=False).folder / "tokenizer.json").exists()

    def test_no_network(self, nowhere: Hub) -> None:
        with pytest.raises(ModelNotFound, match="the hub cannot be reached") as caught:
            locate(NAME, hub=nowhere)
        assert str(nowhere.cache_dir) in caught.value.message
        assert f"resift pull {NAME} --to FOLDER" in str(caught.value.hint)

    def test_offline_by_choice(self, nowhere: Hub) -> None:
        with pytest.raises(ModelNotFound, match="is not in the cache") as caught:
            locate(NAME, hub=nowhere, download=False)
        assert caught.value.hint == f"run: resift pull {NAME}"

    def test_no_such_model(self, hub: Hub) -> None:
        with pytest.raises(ModelNotFound, match=f"the hub has no model {NAME}") as caught:
            locate(NAME, hub=hub)
        assert "spelling" in str(caught.value.hint)

    def test_no_such_revision(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        server.add(NAME, checkpoint)
        with pytest.raises(ModelNotFound, match="has no revision 'v9'"):
            locate(NAME, revision="v9", hub=hub)

    def test_a_gated_model(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        server.add(NAME, checkpoint).refusal = "GatedRepo"
        with pytest.raises(ModelNotFound, match="is gated") as caught:
            locate(NAME, hub=hub, progress=False)
        assert "accept" in str(caught.value.hint)

    @pytest.mark.parametrize(
        ("removed", "added", "reason"),
        [
            ("model.safetensors", {"pytorch_model.bin": b"x"}, r"only as pytorch_model\.bin, a pickle"),
            ("model.safetensors", {"onnx/model.onnx": b"x"}, r"lacks model\.safetensors"),
            ("tokenizer.json", {}, r"lacks tokenizer\.json"),
            ("config.json", {}, r"lacks config\.json"),
            ("config.json", {"config.json": b'{"model_type": "t5"}'}, "type is 't5'"),
            ("config.json", {"config.json": b'{"architectures": ["XLMRobertaModel"]}'}, "XLMRobertaModel"),
        ],
    )
    def test_a_model_that_cannot_run_is_not_downloaded(
        self, server: HubServer, hub: Hub, checkpoint: Path, removed: str, added: dict[str, bytes], reason: str
    ) -> None:
        files = server.add(NAME, checkpoint).files
        del files[removed]
        files.update(added)
        with pytest.raises(UnsupportedModel, match=reason):
            locate(NAME, hub=hub, progress=False)
        assert set(server.downloads()) <= {"config.json"}

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
    def test_a_file_damaged_on_its_way(self, server: HubServer, hub: Hub, checkpoint: Path, file: str) -> None:
        server.add(NAME, checkpoint).garbled.add(file)
        with pytest.raises(ModelLayoutError, match=f"{file} was damaged and is deleted"):
            locate(NAME, hub=hub, progress=False)
        server.repositories[NAME].garbled.clear()
        assert load_checkpoint(locate(NAME, hub=hub, progress=False)).spec.layers == 2

    def test_a_hub_that_answers_nonsense(self, server: HubServer, hub: Hub, checkpoint: Path) -> None:
        repository = server.add(NAME, checkpoint)
        repository.files["config.json"] = b"<html>sign in to the network</html>"
        with pytest.raises(ModelError, match="is not JSON"):
            locate(NAME, hub=hub, progress=False)


def test_offline_mode_of_huggingface_hub(tmp_path: Path) -> None:
    code = "from resift.loading.source import locate; locate('owner/reranker')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "ModelNotFound: owner/reranker is neither a folder nor complete in the cache" in done.stderr
    assert "offline mode is enabled" in done.stderr
    assert "resift pull owner/reranker --to FOLDER" in done.stderr

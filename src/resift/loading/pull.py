"""Download a model once, checked byte by byte, so that it runs offline from then on."""

from dataclasses import dataclass
from pathlib import Path

from resift.errors import ModelNotFound
from resift.loading.hub import Hub, is_hub_id
from resift.loading.verify import RemoteFile


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A downloaded model.

    Attributes:
        name: the hub id.
        commit: what was downloaded, exactly: a `revision` that always means the same files.
        folder: where the files are.
        files: what was downloaded; each one's checksum was compared with the hub's.
    """

    name: str
    commit: str
    folder: Path
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)


def pull(
    model: str,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    to: Path | None = None,
    progress: bool = True,
    hub: Hub | None = None,
) -> PulledModel:
    """Download the hub model `model` and verify every file.

    Call it again after an interruption: it goes on where it stopped. `to` writes plain files to a folder of that
    name instead of the cache, to be copied to a machine without a network.
    Raises ModelNotFound when `model` is not on the hub or the hub cannot be reached, UnsupportedModel when resift
    does not run it, ModelLayoutError when a file's checksum is wrong (the file is deleted then).
    """
    if not is_hub_id(model):
        raise ModelNotFound(f"{model!r} is not a hub id", hint="give owner/name, such as BAAI/bge-reranker-v2-m3")
    hub = Hub(cache_dir=cache_dir) if hub is None else hub
    try:
        remote, folder = hub.fetch(model, revision=revision, to=to, progress=progress)
    except ModelNotFound as error:
        cached = hub.cached(model, revision=revision)
        if cached is None:
            raise
        raise ModelNotFound(error.message, hint=f"it is in the cache and runs without a network: {cached}") from error
    return PulledModel(name=model, commit=remote.commit, folder=folder, files=remote.files)

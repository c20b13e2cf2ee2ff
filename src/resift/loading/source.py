"""From a model's name to its folder: embedded, on disk, or from the hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resift.errors import ModelNotFound
from resift.loading.files import NEEDED
from resift.loading.hub import Hub, is_hub_id

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).resolve().parent.parent / EMBEDDED


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model's files are.

    Attributes:
        name: what it was asked for by: `embedded`, the folder's path, or the hub id.
        folder: the folder that holds its files.
        revision: the commit, for a model from the hub.
        kind: where it came from.
    """

    name: str
    folder: Path
    revision: str | None
    kind: Literal["embedded", "folder", "hub"]


def locate(
    model: str | Path | None,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    download: bool = True,
    progress: bool = True,
    hub: Hub | None = None,
) -> ModelSource:
    """Find the files of `model`, downloading them when they are on the hub and not in the cache.

    Args:
        model: None or `embedded` for the model of this package; a folder; or a hub id such as
            `BAAI/bge-reranker-v2-m3`. A folder wins over a hub id of the same spelling.
        revision: branch, tag or commit of a hub model. Without one a cached model is used as it is, however old.
        cache_dir: the cache of downloaded models; None for huggingface_hub's own.
        download: False looks no further than the cache.
        progress: show bars on stderr while downloading.
        hub: another hub, with its own cache; `cache_dir` is not used then.

    Raises ModelNotFound when there is no such model here or the hub cannot be reached, UnsupportedModel when it is
    on the hub but not of a kind that resift runs (seen before the weights are downloaded).
    """
    if model is None or model == EMBEDDED:
        return _embedded()
    folder = _folder(model)
    if folder is not None:
        return ModelSource(name=str(model), folder=folder, revision=None, kind="folder")
    if isinstance(model, Path) or not is_hub_id(model):
        raise ModelNotFound(
            f"there is no folder {str(model)!r}",
            hint="give a folder, 'embedded', or a hub id such as BAAI/bge-reranker-v2-m3",
        )
    return _from_hub(model, revision, hub or Hub(cache_dir=cache_dir), download=download, progress=progress)


def _folder(model: str | Path) -> Path | None:
    """Return the folder that `model` is the path of, or None. Raises ModelNotFound when it is a file."""
    try:
        folder = Path(model).expanduser()
        if model != "" and folder.is_dir():
            return folder
        exists = folder.is_file()
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL in it, an unknown ~user: no path of a folder
        return None
    if exists:
        raise ModelNotFound(f"{model} is a file", hint=f"give the folder that holds it ({NEEDED})")
    return None


def _embedded() -> ModelSource:
    if not EMBEDDED_FOLDER.is_dir():
        raise ModelNotFound(
            f"this copy of resift holds no embedded model: there is no {EMBEDDED_FOLDER}",
            hint="install resift again, or give a folder or a hub id",
        )
    return ModelSource(name=EMBEDDED, folder=EMBEDDED_FOLDER, revision=None, kind="embedded")


def _from_hub(name: str, revision: str | None, hub: Hub, *, download: bool, progress: bool) -> ModelSource:
    folder = hub.cached(name, revision=revision)
    if folder is None and not download:
        raise ModelNotFound(f"{name} is not in the cache {hub.folder()}", hint=f"run: resift pull {name}")
    if folder is None:
        try:
            _, folder = hub.fetch(name, revision=revision, progress=progress)
        except ModelNotFound as error:
            tried = f"{name} is neither a folder nor complete in the cache {hub.folder()}"
            raise ModelNotFound(f"{tried}, and {error.message}", hint=error.hint) from error
    return ModelSource(name=name, folder=folder, revision=folder.name, kind="hub")

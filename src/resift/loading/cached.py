"""What models this machine has: the embedded one and those in the cache of downloads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resift.errors import ModelError
from resift.loading.files import check_complete
from resift.loading.hub import Hub
from resift.loading.source import EMBEDDED, EMBEDDED_FOLDER
from resift.loading.spec import runnable_family
from resift.loading.weights import weight_files
from resift.types import Family


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on this machine.

    Attributes:
        name: what to give as the model: `embedded` or the hub id.
        kind: where it came from.
        revision: the commit, for a model from the hub.
        folder: where its files are.
        bytes: their size.
        family: its family, or None when resift does not run it.
        problem: why resift does not run it, or None.
    """

    name: str
    kind: Literal["embedded", "hub"]
    revision: str | None
    folder: Path
    bytes: int
    family: Family | None
    problem: str | None


def installed_models(cache_dir: Path | None = None) -> list[InstalledModel]:
    """List the embedded model and every model in the cache, those that resift cannot run with the reason.

    Only configs and file names are read, no weights. Sorted by name and revision, the embedded one first.
    """
    models = []
    if EMBEDDED_FOLDER.is_dir():
        size = sum(file.stat().st_size for file in EMBEDDED_FOLDER.rglob("*") if file.is_file())
        models.append(_described(EMBEDDED, "embedded", None, EMBEDDED_FOLDER, size))
    return models + _cached(Hub(cache_dir=cache_dir).folder())


def _cached(folder: Path) -> list[InstalledModel]:
    from huggingface_hub import scan_cache_dir

    if not folder.is_dir():
        return []
    found = [
        _described(repo.repo_id, "hub", revision.commit_hash, revision.snapshot_path, revision.size_on_disk)
        for repo in scan_cache_dir(folder).repos
        if repo.repo_type == "model"
        for revision in repo.revisions
    ]
    return sorted(found, key=lambda model: (model.name, model.revision or ""))


def _described(
    name: str, kind: Literal["embedded", "hub"], revision: str | None, folder: Path, size: int
) -> InstalledModel:
    family, problem = None, None
    try:
        check_complete(name, [path.name for path in folder.iterdir()])
        weight_files(folder)
        family = runnable_family(folder / "config.json")
    except ModelError as error:
        problem = error.message
    return InstalledModel(name, kind, revision, folder, size, family, problem)

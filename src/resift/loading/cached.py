"""What models this machine has: the embedded one and those in the cache of downloads."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resift.errors import ModelError, ModelNotFound
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
        quantization: what `resift quantize` reported, for a folder that it wrote, or None.
    """

    name: str
    kind: Literal["embedded", "hub", "folder"]
    revision: str | None
    folder: Path
    bytes: int
    family: Family | None
    problem: str | None
    quantization: Mapping[str, object] | None = None


def folder_models(folders: Iterable[Path]) -> list[InstalledModel]:
    """Describe the models in `folders`, in their order. Raises ModelNotFound for one that is none."""
    models = []
    for folder in folders:
        if not folder.is_dir():
            raise ModelNotFound(f"there is no folder '{folder}'")
        models.append(_described(str(folder), "folder", None, folder, _size(folder)))
    return models


def installed_models(cache_dir: Path | None = None) -> list[InstalledModel]:
    """List the embedded model and every model in the cache, those that resift cannot run with the reason.

    Only configs and file names are read, no weights. Sorted by name and revision, the embedded one first.
    """
    models = []
    if EMBEDDED_FOLDER.is_dir():
        models.append(_described(EMBEDDED, "embedded", None, EMBEDDED_FOLDER, _size(EMBEDDED_FOLDER)))
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
    name: str, kind: Literal["embedded", "hub", "folder"], revision: str | None, folder: Path, size: int
) -> InstalledModel:
    family, problem = None, None
    try:
        check_complete(name, [path.name for path in folder.iterdir()])
        weight_files(folder)
        family = runnable_family(folder / "config.json")
    except ModelError as error:
        problem = error.message
    return InstalledModel(name, kind, revision, folder, size, family, problem, _quantization(folder))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _quantization(folder: Path) -> Mapping[str, object] | None:
    """Return what quantization.json holds; None where there is none that can be read."""
    try:
        report = json.loads((folder / "quantization.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None

"""The Hugging Face hub, through huggingface_hub: look in the cache, list, download, and say what went wrong.

huggingface_hub reads its own settings (HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN ...); nothing here does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resift.errors import ModelError, ModelNotFound
from resift.loading.files import CONFIG, NEEDED, check_complete, is_complete, is_weights, wanted
from resift.loading.spec import runnable_family
from resift.loading.verify import RemoteFile, verify

TIMEOUT = 10.0
"""Seconds to wait for the hub's first answer."""
_ID = re.compile(r"\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
_LONGEST_ID = 96


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What there is to download of a model: the commit, and the files that resift reads."""

    commit: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub and the local cache of what was downloaded from it.

    Attributes:
        cache_dir: the cache; None for huggingface_hub's own.
        endpoint: the hub's address; None for huggingface_hub's own. Tests give a server of theirs.
    """

    cache_dir: Path | None = None
    endpoint: str | None = None

    def cached(self, name: str, *, revision: str | None = None) -> Path | None:
        """Return the folder of the complete cached model `name`, without any network, or None."""
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(name, CONFIG, cache_dir=self.cache_dir, revision=revision)
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
        return folder if is_complete(folder) else None

    def fetch(
        self, name: str, *, revision: str | None = None, to: Path | None = None, progress: bool = True
    ) -> tuple[RemoteModel, Path]:
        """Download what resift reads of the model `name` to the cache, or to the folder `to`.

        Returns what the hub lists and the folder. The config comes first: a model that resift does not run is
        refused before its weights are downloaded. The weights come last: where they are, everything is. What is
        there already is not loaded again, and what was interrupted goes on where it stopped. Every file is compared
        with the checksum that the hub gives.
        Raises ModelNotFound when the hub cannot be reached, does not have the model or does not give it out, and
        UnsupportedModel when the model lacks a file or is of a kind that resift does not run, and ModelLayoutError
        when a checksum is wrong (the file is deleted then, so that another call loads it again).
        """
        remote = self._list(name, revision)
        names = [file.name for file in remote.files]
        config = self._download(name, [CONFIG], revision, to=to, progress=False)
        verify(config / CONFIG, next(file for file in remote.files if file.name == CONFIG))
        runnable_family(config / CONFIG)
        self._download(name, [file for file in names if not is_weights(file)], revision, to=to, progress=False)
        folder = self._download(name, [file for file in names if is_weights(file)], revision, to=to, progress=progress)
        for file in remote.files:
            verify(folder / file.name, file)
        return remote, folder

    def folder(self) -> Path:
        """Return the folder of the cache."""
        from huggingface_hub.constants import HF_HUB_CACHE

        return Path(HF_HUB_CACHE) if self.cache_dir is None else self.cache_dir

    def _list(self, name: str, revision: str | None) -> RemoteModel:
        from huggingface_hub import HfApi

        with _explained(name, revision):
            api = HfApi(endpoint=self.endpoint)
            info = api.model_info(name, revision=revision, files_metadata=True, timeout=TIMEOUT)
        siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        check_complete(f"{name} on the hub", siblings)
        return RemoteModel(
            commit=info.sha or "", files=tuple(_remote_file(siblings[path]) for path in wanted(siblings))
        )

    def _download(self, name: str, files: list[str], revision: str | None, *, to: Path | None, progress: bool) -> Path:
        from huggingface_hub import snapshot_download

        with _explained(name, revision):
            folder = snapshot_download(
                name,
                revision=revision,
                cache_dir=self.cache_dir,
                local_dir=to,
                endpoint=self.endpoint,
                allow_patterns=files,
                tqdm_class=None if progress else _silent_bar(),
            )
        return Path(folder)


def is_hub_id(name: str) -> bool:
    """Tell whether `name` has the form of a hub id, owner/name, by huggingface_hub's own rules."""
    banned = ".." in name or "--" in name or name.endswith(".git") or len(name) > _LONGEST_ID
    return _ID.fullmatch(name) is not None and not banned


def _remote_file(sibling: Any) -> RemoteFile:
    lfs = sibling.lfs
    return RemoteFile(
        name=sibling.rfilename,
        size=int(sibling.size or 0),
        sha256=None if lfs is None else lfs.sha256,
        git_sha1=sibling.blob_id if lfs is None else None,
    )


def _silent_bar() -> Any:
    """Return the class of a progress bar that shows nothing."""
    from tqdm import tqdm

    class Silent(tqdm):  # type: ignore[misc]  # tqdm comes without types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

    return Silent


@contextmanager
def _explained(name: str, revision: str | None) -> Iterator[None]:
    """Turn what huggingface_hub raises into ModelNotFound, with the step that helps."""
    from huggingface_hub import errors

    model = name if revision is None else f"{name} at revision {revision}"
    # OSError: LocalEntryNotFoundError, OfflineModeIsEnabled. The rest comes from the HTTP library, which has changed
    # twice (requests, httpx, httpx2); the root of its errors is a base of HfHubHTTPError in each of them.
    unreachable: tuple[type[BaseException], ...] = (OSError, *errors.HfHubHTTPError.__bases__)
    try:
        yield
    except ModelError:
        raise
    except errors.GatedRepoError as error:  # before RepositoryNotFoundError, whose subclass it is
        raise ModelNotFound(
            f"{name} is gated: its owner gives it only to those who accepted the terms",
            hint="accept them on the model's page, then run: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelNotFound(f"{name} has no revision {revision!r}", hint="give a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"the hub has no model {name}, or it is private",
            hint="check the spelling; for a private model run: hf auth login",
        ) from error
    except unreachable as error:
        raise ModelNotFound(
            f"the hub cannot be reached for {model}: {_first_line(error)}",
            hint=f"where there is a network run: resift pull {name} --to FOLDER; copy FOLDER here and give its path as "
            f"the model (it holds {NEEDED})",
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__

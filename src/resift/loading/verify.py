"""Check that a downloaded file is what the hub says it is."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from resift.errors import ModelLayoutError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository, as the hub lists it.

    Attributes:
        name: its path in the repository.
        size: bytes.
        sha256: its digest, for the large files (git LFS).
        git_sha1: its git blob id, for the others.
    """

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None


def verify(path: Path, file: RemoteFile) -> None:
    """Compare the file at `path` with what the hub says of it: SHA-256 for large files, the git blob id for others.

    Raises ModelLayoutError when they differ; the file is deleted then, because huggingface_hub would take it for whole.
    """
    if file.sha256 is not None:
        digest, expected = hashlib.sha256(), file.sha256
    elif file.git_sha1 is not None:
        digest, expected = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False), file.git_sha1
    else:
        raise ModelLayoutError(f"the hub gives no checksum for {file.name}")
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != expected:
        path.resolve().unlink()  # in the cache, the link's target: a new download would link to the same bytes
        path.unlink(missing_ok=True)
        raise ModelLayoutError(
            f"{path} was damaged and is deleted: its {digest.name} is {digest.hexdigest()}, the hub says {expected}",
            hint="run the same command again",
        )

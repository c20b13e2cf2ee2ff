"""What a calibration holds for: the model and all that changes what it makes of a pair."""

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from resift.errors import InputError
from resift.types import ScoreInfo, Windows

_HEAD, _SAMPLE, _SAMPLES = 1 << 16, 1 << 12, 32


@dataclass(frozen=True, slots=True)
class Conditions:
    """What raw scores depend on, but for differences in the last digits (device, backend, kernel).

    Attributes:
        model: what it was asked for by; a moved folder has another name and is the same model.
        fingerprint: of its files: what says whether it is the same model.
        windows: as in `Reranker`, as a mapping; None where documents are cut.
    """

    model: str
    revision: str | None
    fingerprint: str
    precision: str
    truncation: str
    max_length: int
    query_max_length: int
    windows: dict[str, Any] | None

    def differences(self, other: "Conditions") -> list[str]:
        """Return what differs in words, the model itself aside."""
        aside = ("model", "revision", "fingerprint")
        return [
            f"{one.name} {getattr(self, one.name)!r} and not {getattr(other, one.name)!r}"
            for one in fields(self)
            if one.name not in aside and getattr(self, one.name) != getattr(other, one.name)
        ]


def conditions(info: ScoreInfo, fingerprint: str, *, query_max_length: int, windows: Windows | None) -> Conditions:
    """Return the conditions of scores."""
    return Conditions(
        model=info.model,
        revision=info.revision,
        fingerprint=fingerprint,
        precision=info.precision,
        truncation=info.truncation,
        max_length=info.max_length,
        query_max_length=query_max_length,
        windows=asdict(windows) if windows is not None else None,
    )


def fingerprint(folder: Path) -> str:
    """Return a hash of a model's files: names, sizes, beginnings and samples, some hundred kB of any size of model.

    Two models of the same shape differ in the samples, for training moves all weights.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix == ".safetensors" or file.name == "config.json")
    if not files:
        raise InputError(f"{folder} holds no files of a model")
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_HEAD))
            for i in range(_SAMPLES if size > _HEAD else 0):
                stream.seek(_HEAD + (size - _HEAD) * i // _SAMPLES)
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()[:16]

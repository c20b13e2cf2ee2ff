"""`pipeline.json`: what a pipeline's folder was made with, read and checked."""

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from resift.documents import Chunking, Columns
from resift.durable import write_durably
from resift.errors import InputError, StoreDamaged
from resift.pipeline.fusing import check_fusion
from resift.text.template import Template

FILE = "pipeline.json"
FORMAT = 1
DENSE = ("faiss", "milvus")
"""Stores that want an encoder."""
KINDS = ("bm25", "faiss", "milvus")

Options: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """What does not change in the life of a pipeline.

    Attributes:
        stores: the options of each store; of one that is given when the folder is opened, `{"given": True}`.
        encoder: what `as_encoder` makes the encoder of; None when it is given when the folder is opened.
        chunking: how documents are cut into passages.
        columns: which fields of rows are their id, title and text.
        fusion: where a search names none: see `fusing.check_fusion`.
        weights: of the stores in the fusion; those that are not there count 1.
        identity: random; names what is the pipeline's outside its folder, such as a Milvus collection.
    """

    stores: Mapping[str, Options]
    encoder: str | None = None
    chunking: Chunking = field(default_factory=Chunking)
    columns: Columns = field(default_factory=Columns)
    fusion: str = "rrf"
    weights: Mapping[str, float] = field(default_factory=dict)
    identity: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        """Check it; raises InputError."""
        if not self.stores:
            raise InputError(f"there are no stores, expected some of {', '.join(KINDS)}, or one of yours")
        check_fusion(self.fusion)
        self.check_weights(self.weights)

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise InputError for weights of other stores, or that are no weights."""
        unknown = [name for name in weights if name not in self.stores]
        if unknown:
            raise InputError(f"weights are for {', '.join(unknown)}, expected some of {', '.join(self.stores)}")
        if not all(isinstance(one, int | float) and 0 <= one < math.inf for one in weights.values()):
            raise InputError(f"weights are {dict(weights)}, expected numbers of at least 0")

    def place(self, folder: Path, name: str) -> Path | None:
        """Return the store's folder, which is the pipeline's to delete and make again; None where it has none."""
        options = self.stores[name]
        return None if options.get("given") or options.get("uri") is not None else folder / name

    @property
    def dense(self) -> bool:
        """Whether any store wants an encoder."""
        return any(name in DENSE for name in self.stores)


def write(folder: Path, config: Config) -> None:
    """Write the file; whatever happens, it is whole or not there."""
    body = json.dumps({"format": FORMAT, **_plain(config)}, ensure_ascii=False, indent=2) + "\n"
    write_durably(folder / FILE, body)


def read(folder: Path) -> Config:
    """Read the file; raises InputError where there is none, or a newer one, StoreDamaged for one that is none."""
    file = folder / FILE
    if not file.is_file():
        raise InputError(f"{folder} holds no pipeline: {FILE} is not there", hint="Pipeline.create(folder) makes one")
    try:
        body = json.loads(file.read_bytes())
    except ValueError as error:
        raise StoreDamaged(f"{file} is no JSON: {error}", hint="restore it from a backup of the folder") from None
    if not isinstance(body, dict) or not isinstance(body.get("format"), int):
        raise StoreDamaged(f"{file} says no format", hint="restore it from a backup of the folder")
    if body["format"] > FORMAT:
        raise InputError(
            f"{folder} has format {body['format']}, this version of resift reads {FORMAT}",
            hint="install a newer resift",
        )
    try:
        columns = body["columns"]
        template = columns["template"]
        return Config(
            stores={str(name): dict(options) for name, options in body["stores"].items()},
            encoder=body["encoder"],
            chunking=Chunking(**body["chunking"]),
            columns=Columns(**{**columns, "template": None if template is None else Template(template)}),
            fusion=body["fusion"],
            weights=body["weights"],
            identity=body["identity"],
        )
    except (KeyError, TypeError, AttributeError, InputError) as error:
        raise StoreDamaged(
            f"{file} is not what a pipeline writes: {error!r}", hint="restore it from a backup of the folder"
        ) from error


def _plain(config: Config) -> dict[str, Any]:
    columns = config.columns
    return {
        "identity": config.identity,
        "stores": {name: dict(options) for name, options in config.stores.items()},
        "encoder": config.encoder,
        "chunking": asdict(config.chunking),
        "columns": {
            "id": columns.id,
            "text": columns.text,
            "title": columns.title,
            "template": None if columns.template is None else columns.template.source,
        },
        "fusion": config.fusion,
        "weights": dict(config.weights),
    }

"""A new pipeline: its config from what the caller asked for, and a folder that is there and empty."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from resift.documents import Chunking, Columns
from resift.errors import InputError
from resift.pipeline import config as configuration
from resift.pipeline import database, lock
from resift.pipeline.config import DENSE, KINDS, Config
from resift.pipeline.database import Database
from resift.pipeline.lock import WriterLock
from resift.pipeline.passages import Truth
from resift.retrieval.protocols import Encoder
from resift.text.template import Template

EncoderSpec: TypeAlias = str | Path | Encoder | Callable[..., Any] | None
"""What `resift.retrieval.as_encoder` takes."""

_EMBEDDED_WEIGHT = 0.3
"""Of stores with the embedded encoder beside BM25: not below BM25 within a language, nearly all there is across them.
nDCG@10 of 300 questions each (XQuAD's Chinese sentences, JaQuAD, Chinese questions to English paragraphs): BM25 .864,
.908, .150; vectors .804, .758, .599; weighted with 1 .855, .888, .598; with 0.5 .862, .905, .592; with 0.3 .866, .911,
.588; with 0.15 .866, .912, .584; reciprocal ranks with 1 .854, .850, .597; with 0.3 .862, .882, .596.
Where questions and passages share names and numbers only, `covered` takes weight from BM25: see `fusing.trusted`."""
_RESERVED = ("where", "read", "fusion", "rerank", "blend", "explain")


def make_config(
    *,
    stores: Iterable[str] | Mapping[str, Mapping[str, object]],
    encoder: EncoderSpec,
    analyzer: str,
    faiss_kind: str,
    milvus: str | None,
    own: Sequence[str],
    chunking: Chunking | None,
    template: str | None,
    columns: Columns | None,
    fusion: str | None,
    weights: Mapping[str, float] | None,
) -> Config:
    """Return the config; raises InputError for what does not fit together."""
    if isinstance(stores, str):
        raise InputError(f"stores is {stores!r}, expected a list of names", hint=f"write [{stores!r}]")
    usual: dict[str, dict[str, object]] = {
        "bm25": {"analyzer": analyzer},
        "faiss": {"kind": faiss_kind},
        "milvus": {} if milvus is None else {"uri": milvus},
    }
    chosen: dict[str, Mapping[str, object]] = {}
    for name in stores:
        if name not in KINDS:
            raise InputError(
                f"stores names {name!r}, expected some of {', '.join(KINDS)}",
                hint="stores of yours go into own_stores=",
            )
        chosen[name] = {**usual[name], **(stores[name] if isinstance(stores, Mapping) else {})}
    for name in own:
        if name in KINDS or name in _RESERVED:
            raise InputError(f"own_stores has the name {name!r}, which is taken", hint="give it another one")
        chosen[name] = {"given": True}
    if template is not None and columns is not None:
        raise InputError(
            "there are a template and columns, expected one of them", hint="Columns(template=...) has both"
        )
    if template is not None:
        columns = Columns(template=Template(template))
    dense = any(name in DENSE for name in chosen)
    spec = "resift" if encoder is None else str(encoder) if isinstance(encoder, str | Path) else None
    _check_address("the encoder", spec, "as_encoder(..., api_key=) takes the key, and the object is given at opening")
    _check_address("milvus", chosen.get("milvus", {}).get("uri"), "milvus_token='user:password' is not kept")
    leaning = [name for name in chosen if name in DENSE] if spec == "resift" and "bm25" in chosen else []
    return Config(
        stores=chosen,
        encoder=spec if dense else None,
        chunking=chunking if chunking is not None else Chunking(),
        columns=columns if columns is not None else Columns(),
        fusion=fusion if fusion is not None else "covered" if leaning else "rrf",
        weights=dict(weights) if weights is not None else dict.fromkeys(leaning, _EMBEDDED_WEIGHT),
    )


def _check_address(name: str, address: object, hint: str) -> None:
    """Raise InputError for an address that would put a password into the folder."""
    if isinstance(address, str) and "://" in address and "@" in address.partition("://")[2].partition("/")[0]:
        raise InputError(f"the address of {name} has a user or a password in it, which would be kept", hint=hint)


def begin(folder: Path, config: Config) -> Path:
    """Make the folder and write the config; raises InputError where there is anything else."""
    prepare_folder(folder)
    configuration.write(folder, config)
    return folder


def prepare_folder(folder: Path) -> None:
    """Make the folder; raises InputError where there is anything that an unfinished creation has not left."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, expected a folder")
    if (folder / configuration.FILE).exists():
        raise InputError(f"{folder} holds a pipeline already", hint="Pipeline(folder) opens it")
    folder.mkdir(parents=True, exist_ok=True)
    ours = (lock.FILE, f"{configuration.FILE}.new", *KINDS, *(f"{database.FILE}{end}" for end in ("", "-wal", "-shm")))
    unfinished = (folder / database.FILE).exists()
    others = sorted(found.name for found in folder.iterdir() if not unfinished or found.name not in ours)
    if others and others != [lock.FILE]:
        raise InputError(f"{folder} is not empty ({', '.join(others[:3])})", hint="give a new folder")
    with WriterLock(folder), Database(folder / database.FILE, writable=True, create=True) as held:
        if Truth(held).sequence:
            raise InputError(
                f"{folder} holds the documents of a pipeline, whose {configuration.FILE} is not there",
                hint="restore it from a backup, or give a new folder",
            )
        for name in KINDS:  # of an unfinished creation: there are no documents
            shutil.rmtree(folder / name, ignore_errors=True)

"""Write the folder of a quantised model: weights, config, tokenizer, and the files that belong to a model."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from tokenizers import Tokenizer

from resift.loading.checkpoint import Checkpoint
from resift.loading.pieces import PIECES, separate, to_arrays
from resift.loading.quantisation import linear_shapes
from resift.loading.quantised import LAYOUT, VERSION, panel_shape, to_float32
from resift.quantize.linears import Int8Plan, bf16_tensors, int8_tensors, matrix
from resift.quantize.tables import TableForm, group_count, round_table, table_slots
from resift.quantize.writer import SafetensorsWriter, Slot, write_arrays
from resift.types import Precision

LinearPlan: TypeAlias = Int8Plan | Literal["bf16"]
CONFIG = "config.json"
_COPIED = (
    "README.md",
    "LICENSE*",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
    "matching.safetensors",
    "embedder.safetensors",
)
_FEW_PIECES = 20_000
"""A tokenizer.json of fewer pieces loads fast as it is."""
_PLAIN_DTYPES = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.uint16): "BF16"}
_WIDEST_GROUP = {"int8": 128, "int4": 256, "plain": 256}
"""Columns of a group. With 250,002 tokens the scales of int4 take 2 MB so, which the position table needs for int8."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How each part of a model is stored.

    Attributes:
        precision: what the folder is called.
        linears: linear of the layers -> how it is rounded, or `bf16`.
        tables: `embeddings.word` and `embeddings.position` -> their form; `plain` as in the original.
        kept: ids of the vocabulary in use, in the order of their new ids; None for all.
        tokenizer: the tokenizer of that vocabulary.
        languages: what it was cut to, if it was.
    """

    precision: Precision
    linears: Mapping[str, LinearPlan]
    tables: Mapping[str, TableForm | Literal["plain"]]
    kept: np.ndarray | None
    tokenizer: Tokenizer
    languages: Sequence[str] | None = None


def write_folder(folder: Path, checkpoint: Checkpoint, plan: Plan, *, on_part: Callable[[int, int], None]) -> None:
    """Write the model to the empty `folder`; `on_part` is called with (parts written, parts in all)."""
    _write_weights(folder / "model.safetensors", checkpoint, plan, on_part)
    _write_config(folder / CONFIG, checkpoint, plan)
    write_tokenizer(folder, plan.tokenizer)
    for pattern in _COPIED:
        for file in checkpoint.source.folder.glob(pattern):
            shutil.copyfile(file, folder / file.name)


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write the tokenizer: a large one in the form that loads fast, where that gives exactly the same."""
    parts = separate(tokenizer) if tokenizer.get_vocab_size() > _FEW_PIECES else None
    if parts is not None:
        write_arrays(folder / PIECES, to_arrays(*parts))
    else:
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def _write_config(file: Path, checkpoint: Checkpoint, plan: Plan) -> None:
    config = dict(checkpoint.config)
    ours = config.get("resift")
    declared = {"version": VERSION, "precision": plan.precision, "layout": LAYOUT}
    extended: dict[str, object] = {**(ours if isinstance(ours, Mapping) else {}), "quantization": declared}
    config["resift"] = extended
    if plan.kept is not None:
        extended["vocabulary"] = {
            "kept": len(plan.kept),
            "of": checkpoint.spec.vocab,
            "languages": list(plan.languages) if plan.languages is not None else None,
        }
        config["vocab_size"] = len(plan.kept)
        places = {int(old): new for new, old in enumerate(plan.kept)}
        for key in ("bos_token_id", "pad_token_id", "eos_token_id"):
            old = config.get(key)
            if isinstance(old, int):
                config[key] = places[old]
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_weights(file: Path, checkpoint: Checkpoint, plan: Plan, on_part: Callable[[int, int], None]) -> None:
    shapes = linear_shapes(checkpoint.spec)
    slots: dict[str, Slot] = {}
    for name, shape in shapes.items():
        slots |= _linear_slots(name, *shape, plan.linears[name])
    small = _small_tensors(checkpoint)
    slots |= {name: Slot(_PLAIN_DTYPES[values.dtype], values.shape) for name, values in small.items()}
    tables = {name: _table(checkpoint, name, plan) for name in plan.tables}
    for table in tables.values():
        slots |= table.slots
    total = len(shapes) + len(tables)
    with SafetensorsWriter(file, slots) as writer:
        for number, name in enumerate(shapes, start=1):
            weights, bias = matrix(checkpoint.tensors, name)
            how = plan.linears[name]
            stored = (
                bf16_tensors(weights, bias)
                if how == "bf16"
                else int8_tensors(weights, bias, smooth=how.smooth, shift=how.shift)
            )
            for part, values in stored.items():
                writer.write(f"{name}.{part}", values)
            on_part(number, total)
        for name, values in small.items():
            writer.write(name, values)
        for number, table in enumerate(tables.values(), start=len(shapes) + 1):
            table.write(writer)
            on_part(number, total)


def _linear_slots(name: str, outputs: int, inputs: int, how: LinearPlan) -> dict[str, Slot]:
    bias = {f"{name}.bias": Slot("F32", (outputs,))}
    if how == "bf16":
        return {f"{name}.weight_bf16": Slot("BF16", panel_shape(outputs, inputs, "bf16"))} | bias
    vectors = [part for part in ("smooth", "shift") if getattr(how, part) is not None]
    return {
        f"{name}.weight_int8": Slot("I8", panel_shape(outputs, inputs, "int8")),
        f"{name}.scale": Slot("F32", (outputs,)),
        f"{name}.sums": Slot("I32", (outputs,)),
        **bias,
        **{f"{name}.{part}": Slot("F32", (inputs,)) for part in vectors},
    }


def _small_tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Return what stays plain: the norms, the head, the table of token types."""
    norms = ["embeddings.norm"]
    for i in range(checkpoint.spec.layers):
        norms += [f"layers.{i}.attention.norm", f"layers.{i}.ffn.norm"]
    names = [f"{name}.{part}" for name in [*norms, "head.dense", "head.output"] for part in ("weight", "bias")]
    small: dict[str, np.ndarray] = {name: to_float32(checkpoint.tensors[name]) for name in [*names, "embeddings.type"]}
    dense = small["head.dense.weight"].astype(np.float16)
    if np.abs(dense.astype(np.float32) - small["head.dense.weight"]).max() < 1e-4:
        small["head.dense.weight"] = dense  # half the size, and far finer than anything int8
    return small


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    source: np.ndarray
    rows: np.ndarray
    form: TableForm | Literal["plain"]
    groups: int
    slots: Mapping[str, Slot]

    def write(self, writer: SafetensorsWriter) -> None:
        if self.form == "plain":
            for first in range(0, len(self.rows), 4096):
                writer.write(self.name, self.source[self.rows[first : first + 4096]], first=first)
            return
        for first, values, scale in round_table(self.source, self.rows, self.form, self.groups):
            writer.write(f"{self.name}.{self.form}", values, first=first)
            writer.write(f"{self.name}.scale", scale, first=first)


def _table(checkpoint: Checkpoint, name: str, plan: Plan) -> _Table:
    source = checkpoint.tensors[name]
    kept = plan.kept if name == "embeddings.word" else None
    rows = np.arange(len(source)) if kept is None else kept
    form = plan.tables[name]
    groups = group_count(source.shape[1], widest=_WIDEST_GROUP[form])
    shape = (len(rows), source.shape[1])
    slots = (
        {name: Slot(_PLAIN_DTYPES[source.dtype], shape)} if form == "plain" else table_slots(name, *shape, form, groups)
    )
    return _Table(name, source, rows, form, groups, slots)


def with_forms(plan: Plan, *, linears: Mapping[str, LinearPlan], tables: Mapping[str, TableForm]) -> Plan:
    """Return the plan with some parts stored otherwise."""
    return replace(plan, linears={**plan.linears, **linears}, tables={**plan.tables, **tables})

"""Folders of `resift quantize`: what their config declares, and which tensors they must hold."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from resift.errors import ModelLayoutError, UnsupportedModel
from resift.loading.checks import PLAIN, check_finite, check_tensor, name_problems
from resift.loading.quantised import LAYOUT, TABLES, VERSION, panel_shape
from resift.loading.safetensors import StoredTensor
from resift.types import ModelSpec, Precision

_ALIGNMENT = 64
"""Bytes on whose multiples panels begin: the kernels read them where they lie, in whole cache lines."""
_PANEL_DIMENSIONS = 4
_HINT = "write the folder again with: resift quantize"
_FLOATS = ("F32", "F16")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a tensor must be.

    Attributes:
        shape: its dimensions.
        dtypes: the dtypes that it may have.
        read_whole: its values are looked at when the model is loaded; not those that stay on disk until used.
    """

    shape: tuple[int, ...]
    dtypes: tuple[str, ...]
    read_whole: bool = True


def read_quantisation(config: Mapping[str, object], folder: Path) -> Precision | None:
    """Return the precision that a folder of `resift quantize` was written for; None for any other model.

    Raises ModelLayoutError when the declaration is broken, UnsupportedModel when a newer resift wrote it.
    """
    ours = config.get("resift")
    declared = ours.get("quantization") if isinstance(ours, Mapping) else None
    if declared is None:
        return None
    where = f"{folder}/config.json: resift.quantization"
    if not isinstance(declared, Mapping):
        raise ModelLayoutError(f"{where} is {declared!r}, expected an object", hint=_HINT)
    version, precision, layout = (declared.get(key) for key in ("version", "precision", "layout"))
    if type(version) is not int or version < 1:
        raise ModelLayoutError(f"{where}.version is {version!r}, expected a number", hint=_HINT)
    if version > VERSION or layout != LAYOUT:
        raise UnsupportedModel(
            f"{where}: version {version} with the layout {layout!r}; this resift reads version {VERSION}, {LAYOUT!r}",
            hint="upgrade resift, or write the folder again with this version's resift quantize",
        )
    if precision not in get_args(Precision) or precision not in ("int8", "bf16"):
        raise ModelLayoutError(f"{where}.precision is {precision!r}, expected 'int8' or 'bf16'", hint=_HINT)
    return cast("Precision", precision)


def has_cut_vocabulary(config: Mapping[str, object]) -> bool:
    """Tell whether `resift quantize` left tokens out."""
    ours = config.get("resift")
    return isinstance(ours, Mapping) and ours.get("vocabulary") is not None


def select_quantised(folder: Path, spec: ModelSpec, stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Check the names, shapes, dtypes and alignment of all tensors, and the values of the small ones; return them.

    The matrices and tables themselves are not read. Raises ModelLayoutError or UnsupportedModel.
    """
    expected = expected_tensors(spec, stored)
    missing = [name for name in expected if name not in stored]
    unexpected = [name for name in stored if name not in expected]
    if missing or unexpected:
        raise ModelLayoutError(
            f"{folder}: the tensors are not those of a quantised {spec.family} reranker of {spec.layers} layers: "
            f"{name_problems(missing, unexpected)}",
            hint=_HINT,
        )
    for name, wanted in expected.items():
        tensor = stored[name]
        _check(tensor, wanted)
    return {name: stored[name] for name in expected}


def expected_tensors(spec: ModelSpec, present: Mapping[str, StoredTensor]) -> dict[str, Expected]:
    """Return the tensors that a folder must hold; `present` decides between the forms of a linear or a table."""
    hidden = spec.hidden
    expected: dict[str, Expected] = {}
    for table, rows in zip(TABLES, (spec.vocab, spec.positions, spec.types), strict=True):
        expected |= _table(table, rows, hidden, present)
    norms = ["embeddings.norm"]
    for i in range(spec.layers):
        norms += [f"layers.{i}.attention.norm", f"layers.{i}.ffn.norm"]
    for name, (outputs, inputs) in linear_shapes(spec).items():
        expected |= _linear(name, outputs, inputs, present)
    for name in norms:
        expected |= {f"{name}.{part}": Expected((hidden,), ("F32",)) for part in ("weight", "bias")}
    for name, outputs in (("head.dense", hidden), ("head.output", 1)):
        expected[f"{name}.weight"] = Expected((outputs, hidden), PLAIN)
        expected[f"{name}.bias"] = Expected((outputs,), ("F32",))
    return expected


def linear_shapes(spec: ModelSpec) -> dict[str, tuple[int, int]]:
    """Return the linears of the layers of a quantised folder with their [outputs, inputs], in the order of use."""
    hidden, ffn = spec.hidden, spec.ffn
    shapes: dict[str, tuple[int, int]] = {}
    for i in range(spec.layers):
        shapes |= {
            f"layers.{i}.attention.query": (hidden, hidden),
            f"layers.{i}.attention.key_value": (2 * hidden, hidden),
            f"layers.{i}.attention.output": (hidden, hidden),
            f"layers.{i}.ffn.up": (ffn, hidden),
            f"layers.{i}.ffn.down": (hidden, ffn),
        }
    return shapes


def _linear(name: str, outputs: int, inputs: int, present: Container[str]) -> dict[str, Expected]:
    expected = {f"{name}.bias": Expected((outputs,), ("F32",))}
    if f"{name}.weight_bf16" in present:
        shape = panel_shape(outputs, inputs, "bf16")
        return expected | {f"{name}.weight_bf16": Expected(shape, ("BF16", "U16"), read_whole=False)}
    if f"{name}.weight" in present:
        return expected | {f"{name}.weight": Expected((outputs, inputs), PLAIN)}
    expected[f"{name}.weight_int8"] = Expected(panel_shape(outputs, inputs, "int8"), ("I8",), read_whole=False)
    expected[f"{name}.scale"] = Expected((outputs,), ("F32",))
    expected[f"{name}.sums"] = Expected((outputs,), ("I32",))
    for optional in ("smooth", "shift"):
        if f"{name}.{optional}" in present:
            expected[f"{name}.{optional}"] = Expected((inputs,), ("F32",))
    return expected


def _table(name: str, rows: int, columns: int, present: Mapping[str, StoredTensor]) -> dict[str, Expected]:
    if name in present:
        return {name: Expected((rows, columns), PLAIN, read_whole=False)}
    scale = present.get(f"{name}.scale")
    groups = scale.shape[1] if scale is not None and len(scale.shape) == 2 else 1
    if groups < 1 or columns % groups:
        raise ModelLayoutError(f"the tensor '{name}.scale' has {groups} groups for {columns} columns", hint=_HINT)
    expected = {f"{name}.scale": Expected((rows, groups), _FLOATS)}
    if f"{name}.int4" in present:
        return expected | {f"{name}.int4": Expected((rows, columns // 2), ("U8",), read_whole=False)}
    return expected | {f"{name}.int8": Expected((rows, columns), ("I8",), read_whole=False)}


def _check(tensor: StoredTensor, expected: Expected) -> None:
    check_tensor(tensor, expected.shape, expected.dtypes)
    if len(expected.shape) == _PANEL_DIMENSIONS and tensor.data.ctypes.data % _ALIGNMENT:
        raise ModelLayoutError(
            f"{tensor.file}: tensor {tensor.name!r} does not begin on a multiple of {_ALIGNMENT} bytes", hint=_HINT
        )
    if expected.read_whole and tensor.dtype != "I32":
        check_finite(tensor)

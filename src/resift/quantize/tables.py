"""Embedding tables as int8 or int4, in groups of neighbouring columns with a scale each."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from resift.errors import ModelLayoutError
from resift.loading.quantised import Int8, to_float32, to_nibbles
from resift.quantize.writer import Slot
from resift.types import Float32

TableForm: TypeAlias = Literal["int8", "int4"]

_LEVELS = {"int8": (-127, 127, (1.0,)), "int4": (-8, 7, (1.07, 1.0, 0.92, 0.84, 0.76))}
"""The least and the largest integer, and the shares of a group's extreme value that the least one may stand for.

The scale has the sign that puts the extreme on the longer side, so none of int4's 16 levels is wasted; and with so few
levels, cutting the tail of a group off loses less than it costs. The share with the least squared error is taken.
"""
_ROWS = 4096
"""Rows that are rounded at once."""
_LARGE = 32_000_000
"""Values of the word table from which on its int8 would be a large part of a small folder."""


def default_form(rows: int, columns: int) -> TableForm:
    """Return int4 for the tables of large vocabularies, int8 for others."""
    return "int4" if rows * columns > _LARGE and columns % 2 == 0 else "int8"


def group_count(columns: int, *, widest: int) -> int:
    """Return the smallest number of groups of at most `widest` columns, an even number where it can be."""
    counts = [count for count in range(1, columns + 1) if columns % count == 0 and columns // count <= widest]
    return next((count for count in counts if columns // count % 2 == 0), counts[0])


def table_slots(name: str, rows: int, columns: int, form: TableForm, groups: int) -> dict[str, Slot]:
    """Return the tensors of the table `name`."""
    values = Slot("I8", (rows, columns)) if form == "int8" else Slot("U8", (rows, columns // 2))
    return {f"{name}.{form}": values, f"{name}.scale": Slot("F16", (rows, groups))}


def round_table(
    table: np.ndarray, rows: np.ndarray, form: TableForm, groups: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (first row, values, scales) of the table's `rows`, a few thousand at a time.

    Raises ModelLayoutError when the table holds a NaN or an infinity.
    """
    for first in range(0, len(rows), _ROWS):
        values = to_float32(table[rows[first : first + _ROWS]])
        if not np.isfinite(values).all():
            raise ModelLayoutError(
                "an embedding table holds a NaN or an infinity", hint="use another copy of the model"
            )
        rounded, scale = _round(values, form, groups)
        yield first, to_nibbles(rounded) if form == "int4" else rounded, scale


def _round(values: Float32, form: TableForm, groups: int) -> tuple[Int8, np.ndarray]:
    grouped = values.reshape(len(values), groups, -1)
    low, high, clips = _LEVELS[form]
    extreme = np.take_along_axis(grouped, np.abs(grouped).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    best, scale, loss = np.zeros(grouped.shape, np.int8), np.zeros(extreme.shape, np.float16), None
    for clip in clips:
        tried = (extreme * np.float32(clip / low)).astype(np.float16)
        wide = tried.astype(np.float32)[..., None]
        rounded = np.rint(np.divide(grouped, wide, out=np.zeros_like(grouped), where=wide != 0))
        np.clip(rounded, low, high, out=rounded)
        lost = ((rounded * wide - grouped) ** 2).sum(axis=-1)
        better = np.ones_like(extreme, dtype=bool) if loss is None else lost < loss
        loss = lost if loss is None else np.minimum(lost, loss)
        best[better] = rounded[better].astype(np.int8)
        scale[better] = tried[better]
    return best.reshape(values.shape), scale

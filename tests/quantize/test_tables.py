"""Embedding tables lose what their bits must lose and no more."""

import numpy as np
import pytest

from resift.errors import ModelLayoutError
from resift.loading.quantised import from_groups, from_nibbles
from resift.quantize.tables import TableForm, default_form, group_count, round_table


def restored(table: np.ndarray, form: TableForm, groups: int) -> np.ndarray:
    pieces = []
    for _, values, scale in round_table(table, np.arange(len(table)), form, groups):
        pieces.append(from_groups(from_nibbles(values) if form == "int4" else values, scale))
    return np.concatenate(pieces)


@pytest.mark.parametrize(("form", "steps"), [("int8", 127), ("int4", 7)])
@pytest.mark.parametrize("groups", [1, 4])
def test_errors_stay_within_half_a_step(form: TableForm, steps: int, groups: int) -> None:
    table = np.random.default_rng(0).uniform(-1, 1, (5000, 64)).astype(np.float32)
    table[7] = 0
    error = np.abs(restored(table, form, groups) - table).reshape(5000, groups, -1)
    largest = np.abs(table).reshape(5000, groups, -1).max(axis=-1, keepdims=True)
    # Half a step and what float16 loses of the scale; int4 may cut a quarter of the range off.
    assert (error <= largest * (0.5 / steps + 0.001 + (0.25 if form == "int4" else 0))).all()
    assert np.sqrt((error**2).mean()) < 0.295 / steps
    assert not error[7].any()


def test_cutting_the_tail_pays_for_normal_values() -> None:
    table = np.random.default_rng(0).standard_normal((1000, 128)).astype(np.float32)
    largest = np.abs(table).max(axis=1, keepdims=True)
    naive = np.rint(table / (largest / 7)) * (largest / 7)
    better = restored(table, "int4", 1)
    assert ((better - table) ** 2).mean() < 0.75 * ((naive - table) ** 2).mean()


def test_only_the_rows_asked_for() -> None:
    table = np.arange(40, dtype=np.float16).reshape(10, 4)
    ((first, values, scale),) = round_table(table, np.array([9, 2]), "int8", 1)
    assert first == 0
    np.testing.assert_allclose(from_groups(values, scale), table[[9, 2]], rtol=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number(value: float) -> None:
    table = np.zeros((5, 4), np.float32)
    table[3, 1] = value
    with pytest.raises(ModelLayoutError, match="NaN or an infinity"):
        list(round_table(table, np.arange(5), "int8", 1))


def test_forms_and_groups() -> None:
    assert default_form(250_002, 1024) == "int4"
    assert default_form(30_522, 384) == "int8"
    assert [group_count(columns, widest=128) for columns in (1024, 384, 312, 64, 130)] == [8, 3, 3, 1, 5]

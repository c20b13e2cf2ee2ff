"""Cells of tables as numbers."""

import json

import pytest

from resift.documents.cells import as_cell


@pytest.mark.parametrize(
    ("cell", "value"),
    [("5", 5), ("-12", -12), ("0", 0), ("19.90", 19.9), ("0.5", 0.5), ("-0.25", -0.25), ("", None)],
)
def test_numbers(cell: str, value: float | None) -> None:
    assert as_cell(cell) == value
    assert json.loads(json.dumps(as_cell(cell))) == value


@pytest.mark.parametrize(
    "cell", ["007", "+49", "1e5", "1,5", "1.", ".5", "-0", " 1", "١٢", "1234567890123456", "nan", "x"]
)
def test_texts(cell: str) -> None:
    assert as_cell(cell) == cell


def test_a_number_is_still_written_as_in_the_table() -> None:
    assert str(as_cell("19.90")) == "19.90"
    assert f"{as_cell('19.90'):.1f}" == "19.9"

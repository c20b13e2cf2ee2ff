"""The file that is written piece by piece is what the safetensors library reads."""

from pathlib import Path

import numpy as np
import pytest

from resift.loading.safetensors import read_safetensors
from resift.quantize.writer import SafetensorsWriter, Slot

SLOTS = {
    "odd": Slot("I8", (5, 3)),
    "norm": Slot("F32", (16,)),
    "panels": Slot("I8", (2, 16, 32, 4)),
    "half": Slot("F16", (7, 3)),
    "bits": Slot("BF16", (1, 32, 32, 2)),
    "sums": Slot("I32", (3,)),
}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    dtypes = {"I8": np.int8, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I32": np.int32}
    return {name: rng.integers(0, 100, slot.shape).astype(dtypes[slot.dtype]) for name, slot in SLOTS.items()}


def test_reads_back(tmp_path: Path) -> None:
    values = arrays()
    with SafetensorsWriter(tmp_path / "x", SLOTS) as writer:
        for name in reversed(SLOTS):  # in any order
            writer.write(name, values[name])
    stored = read_safetensors(tmp_path / "x")
    for name, slot in SLOTS.items():
        assert (stored[name].dtype, stored[name].shape) == (slot.dtype, slot.shape)
        assert np.array_equal(stored[name].array(), values[name])
        assert not stored[name].array().flags.owndata  # aligned at least as its numbers need
    assert all(stored[name].data.ctypes.data % 64 == 0 for name in ("panels", "bits", "norm"))
    library = pytest.importorskip("safetensors")
    with library.safe_open(tmp_path / "x", framework="numpy") as file:
        assert set(file.keys()) == set(SLOTS)
        assert np.array_equal(file.get_tensor("half"), values["half"])


def test_rows_come_in_pieces(tmp_path: Path) -> None:
    values = arrays()
    with SafetensorsWriter(tmp_path / "x", {"half": SLOTS["half"]}) as writer:
        writer.write("half", values["half"][4:], first=4)
        writer.write("half", values["half"][:4])
    assert np.array_equal(read_safetensors(tmp_path / "x")["half"].array(), values["half"])


def test_nothing_is_forgotten_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not written whole: sums"), SafetensorsWriter(tmp_path / "x", SLOTS) as writer:
        for name, value in arrays().items():
            if name != "sums":
                writer.write(name, value)
    with pytest.raises(ValueError, match="norm: float64"), SafetensorsWriter(tmp_path / "x", SLOTS) as writer:
        writer.write("norm", np.zeros(16))

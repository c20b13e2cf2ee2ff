"""The engine on ARM: cross-compiled and run under QEMU, where both are installed (see native/README.md)."""

import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.native.models import make_batch, make_spec, make_tensors, oracle

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
FLAGS = {"neon_dotprod.cpp": ["-O3", "-march=armv8.2-a+dotprod", "-fno-schedule-insns"], "portable.cpp": ["-O3"]}
# As the tests of these precisions on this machine's own kernels: logits of size 1.
TOLERANCES = {"fp32": 2e-5, "bf16": 0.05, "int8": 0.1}

pytestmark = pytest.mark.skipif(not (COMPILER and EMULATOR), reason="needs aarch64-linux-gnu-g++ and qemu-aarch64")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arm")
    sources = [*NATIVE.glob("*.cpp"), *(NATIVE / "kernels" / name for name in FLAGS), HERE / "encoder_run.cpp"]

    def compiled(source):
        out = folder / f"{source.stem}.o"
        common = ["-std=c++20", "-O1", "-ffp-contract=off", "-pthread", "-DRESIFT_ARM64=1", f"-I{NATIVE}"]
        run([COMPILER, *common, *FLAGS.get(source.name, []), "-c", source, "-o", out])
        return out

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, [s for s in sources if s.name != "module.cpp"]))
    run([COMPILER, "-static", "-pthread", *objects, "-o", folder / "run"])
    return folder / "run"


def run(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(path, spec, tensors, batch):
    def longs(*values):
        return struct.pack(f"<{len(values)}q", *values)

    fields = ["layers", "hidden", "heads", "ffn", "vocab", "positions", "position_offset", "types"]
    parts = [struct.pack("<8i", *(spec[f] for f in fields)), struct.pack("<f", spec["norm_eps"])]
    parts += [longs(len(batch.offsets), *batch.offsets), batch.ids.tobytes(), batch.types.tobytes()]
    parts.append(longs(len(tensors)))
    for name, array in tensors.items():
        parts += [longs(len(name)), name.encode(), longs(array.ndim, *array.shape), array.tobytes()]
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize("features", ["max", "cortex-a57"], ids=["dotprod", "plain"])
@pytest.mark.parametrize(("hidden", "heads", "ffn"), [(64, 2, 128), (33, 3, 50), (128, 2, 512)])
def test_logits(program, tmp_path, features, hidden, heads, ffn):
    spec = make_spec(hidden=hidden, heads=heads, ffn=ffn)
    tensors, batch = make_tensors(spec, seed=1), make_batch(spec, [1, 2, 3, 7, 17, 64, 129], seed=2)
    write(tmp_path / "model", spec, tensors, batch)
    expected = oracle(spec, tensors, batch)
    logits = {}
    for line in run([EMULATOR, "-cpu", features, program, tmp_path / "model"]).splitlines():
        precision, kernel, *numbers = line.split()
        got = np.array([float.fromhex(number) for number in numbers])
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCES[precision])
        assert np.array_equal(logits.setdefault((precision, kernel), got), got)  # both modes, the same bits
    levels = {"neon_dotprod", "portable"} if features == "max" else {"portable"}
    assert {kernel for precision, kernel in logits if precision == "int8"} == levels
    if features == "max":
        # Sums of integers are exact: only the same float arithmetic around them remains.
        assert np.array_equal(logits["int8", "neon_dotprod"], logits["int8", "portable"])

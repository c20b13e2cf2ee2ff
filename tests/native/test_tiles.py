"""The kernels for AMX on emulated tiles, which any CPU with AVX-512 BF16 can run: tiles_check.cpp checks them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from resift import _native

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
CHECKS = ["int8_sums", "int8_outputs", "splits", "many_rows", "bf16_products", "attention", "halves"]
LEVEL = ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16"]
NEEDS = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"]

pytestmark = pytest.mark.skipif(
    not all(_native.cpu_features()[name] for name in NEEDS), reason="needs a CPU with AVX-512 BF16"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("tiles")

    def compiled(source, *flags):
        out = folder / f"{source.stem}.o"
        common = ["-std=c++20", "-O2", "-ffp-contract=off", "-w", f"-I{NATIVE}", "-DRESIFT_X86"]
        run([compiler, *common, *flags, "-c", source, "-o", out])
        return out

    parts = [
        compiled(NATIVE / "kernels" / "amx.cpp", "-DRESIFT_EMULATE_TILES", *LEVEL),
        compiled(NATIVE / "kernels" / "portable.cpp"),
        compiled(HERE / "tiles_check.cpp"),
    ]
    run([compiler, *parts, "-o", folder / "check"])
    return folder / "check"


def run(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_tiles(program, check):
    run([program, check])

"""The promises of native/pool.h: pool_check.cpp, compiled here, checks them one by one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
CHECKS = ["many_engines", "exceptions", "nested", "giving_way", "idle", "scratch_is_bounded", "forks"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")


@pytest.fixture(scope="module", params=["plain", "thread"])
def program(request, tmp_path_factory):
    """The checks, plain or under the thread sanitizer."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    path = tmp_path_factory.mktemp("pool") / request.param
    flags = [] if request.param == "plain" else ["-fsanitize=thread"]
    sources = [HERE / "pool_check.cpp", NATIVE / "pool.cpp"]
    command = [compiler, "-std=c++20", "-O1", "-g", "-pthread", f"-I{NATIVE}", *flags, *sources, "-o", path]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if flags and run.returncode != 0:
        pytest.skip("needs a compiler with the thread sanitizer")
    assert run.returncode == 0, run.stderr
    return path


@pytest.mark.parametrize("check", CHECKS)
def test_pool(program, check):
    if program.name == "thread" and check == "forks":
        pytest.skip("the thread sanitizer does not follow a fork of many threads")
    run = subprocess.run([program, check], check=False, capture_output=True, text=True, timeout=120)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("this kernel's address layout is unknown to the thread sanitizer")
    assert (run.returncode, run.stderr) == (0, "")

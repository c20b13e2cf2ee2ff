import os
import subprocess
import sys

import pytest

from resift.bench.serve.processes import processor_seconds, resident_mb, tree, tree_mb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read in /proc")


def test_a_process_and_its_children() -> None:
    code = "sum(i for i in range(3_000_000)); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in tree(os.getpid()) and tree(child.pid) == [child.pid]
        assert processor_seconds(child.pid) > 0
        assert 0 < (resident_mb(child.pid) or 0) < tree_mb(os.getpid())
        child.communicate(b"\n")
    assert resident_mb(child.pid) is None and tree_mb(child.pid) == 0.0

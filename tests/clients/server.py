"""A running server: `resift serve` in a process of its own, on a port that was free."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import resift

COMMAND = [
    sys.executable, "-m", "resift.cli", "serve", "embedded",
    "--port", "0", "--threads", "1", "--any-model-name", "--max-documents", "64",
    "--drain-seconds", "5", "--log-level", "warning",
]  # fmt: skip


@contextmanager
def running() -> Iterator[str]:
    """Serve the embedded model; yields the base URL, and asks the server to stop at the end."""
    source = str(Path(resift.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            found = re.search(r"answers at (http://\S+)", line)
            if found:
                break
        else:
            raise AssertionError(f"resift serve ended with {process.wait(10)}: {''.join(said)}")
        yield found[1]
        assert process.poll() is None, "the server ended while clients called it"
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
        sys.stderr.write(rest)  # shown by pytest when a test failed
    assert process.returncode == 0
